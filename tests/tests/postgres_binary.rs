//! Values on their way into PostgreSQL in binary form: what arrives is what the server itself makes of their
//! spelling. Budget: 30 s.

use golden::store::postgres::{CopyFormat, connect, schema};
use golden::store::{Address, Location, Mapping, literal};
use golden_tests::{PgDatabase, Pgvector, Postgres, Sandbox};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Types that have a binary form, and values as the server spells them.
const TYPES: &[(&str, &str)] = &[
    ("boolean", "true|false"),
    ("smallint", "-32768|32767|-?[1-9][0-9]{0,3}|0"),
    ("integer", "-2147483648|2147483647|-?[1-9][0-9]{0,8}|0"),
    ("bigint", "-9223372036854775808|9223372036854775807|-?[1-9][0-9]{0,17}|0"),
    (
        "real",
        "NaN|-?Infinity|-?0|-?[1-9](\\.[0-9]{1,6})?e-?(37|[12]?[0-9])|-?[0-9]{1,3}\\.[0-9]{1,3}|1e-45|3\\.4028235e38|33554448|33554450|8\\.999999e9|3\\.4366718e10|7\\.038531e-26",
    ),
    (
        "double precision",
        "NaN|-?Infinity|-?0|-?[1-9]\\.[0-9]{1,15}e-?(307|[12]?[0-9]{1,2})|5e-324|1\\.7976931348623157e308",
    ),
    ("numeric", "NaN|-?Infinity|-?[0-9]{1,30}(\\.[0-9]{1,30})?|0\\.0{0,9}1?0{0,9}|-?1(0000){0,5}(\\.(0000){0,5}1)?"),
    ("numeric(10,3)", "NaN|-?[0-9]{1,7}(\\.[0-9]{1,3})?"),
    ("text", "[^\\x00]{0,9}|\\\\N|"),
    ("varchar(5)", "[^\\x00]{0,5}"),
    ("character(5)", "[^\\x00 ]{0,4} ?"),
    ("bytea", "\\\\x([0-9a-f]{2}){0,9}"),
    ("uuid", "[0-9a-f]{32}"),
    ("timestamptz", "-?infinity|[1-9][0-9]{3}-02-28 [01][0-9]:59:59(\\.[0-9]{1,6})?Z|0001-01-01 00:00:00Z"),
    ("timestamp(2)", "-?infinity|[1-9][0-9]{3}-12-31 23:59:59(\\.[0-9]{1,6})?|1999-12-31 23:59:59\\.99"),
    ("date", "-?infinity|[1-9][0-9]{3}-(02-28|12-31|01-01)|(1996|2000|2024)-02-29|0001-01-01|9999-12-31"),
    ("time", "24:00:00|[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?"),
    ("json", "null|\\[1\\.5,\\{\"a\":[1-9]{1,9},\"b\":\"\\\\\\\\\"\\}\\]"),
    ("jsonb", " *null| *\\[1\\.5, \\{\"b\": \"\\\\\\\\\", \"a\": [1-9]{1,9}\\}\\]"),
    ("percentage", "0|100"),
    ("mood", "so so|NULL|\\{\"\\\\,\\}|ü"),
    ("feeling", "so so|ü"),
    ("boolean[]", "\\{t,NULL,f\\}|\\{\\}"),
    ("integer[]", "\\{-?[1-9][0-9]{0,8}(,(0|NULL|[1-9]{9}))*\\}|\\{\\{1,2\\},\\{NULL,4\\}\\}"),
    ("bigint[]", "\\{(-9223372036854775808|9007199254740993)(,(0|NULL|[1-9]{9}))*\\}"),
    (
        "real[]",
        "\\{(NaN|-?Infinity|-?0|1e-45|3\\.4028235e38|33554450|8\\.999999e9)(,(NULL|-?[0-9]{1,3}\\.[0-9]{1,3}|7\\.038531e-26))*\\}",
    ),
    ("double precision[]", "\\{(NaN|-?Infinity|-?0|5e-324)(,(NULL|-?[1-9]\\.[0-9]{1,15}e-?[12]?[0-9]{1,2}))*\\}"),
    ("numeric[]", "\\{(NaN|Infinity|0\\.00)(,(NULL|-?[0-9]{1,30}(\\.[0-9]{1,30})?))*\\}"),
    ("numeric(10,3)[]", "\\{-?[0-9]{1,7}(\\.[0-9]{1,3})?(,NULL)?\\}"),
    ("text[]", ARRAYS_OF_TEXT),
    ("varchar(9)[]", ARRAYS_OF_TEXT),
    ("tags", ARRAYS_OF_TEXT),
    ("character(5)[]", "\\{\"[^\\x00\"\\\\]{0,5}\",NULL,ab\\}"),
    ("bytea[]", "\\{\"\\\\\\\\x([0-9a-f]{2}){0,9}\"(,NULL)?\\}"),
    ("uuid[]", "\\{[0-9a-f]{32},NULL\\}"),
    ("timestamptz[]", "\\{-?infinity,NULL,[1-9][0-9]{3}-02-28 [01][0-9]:59:59(\\.[0-9]{1,6})?Z\\}"),
    ("timestamp(2)[]", "\\{NULL,1999-12-31 23:59:59\\.99,[1-9][0-9]{3}-12-31 23:59:59(\\.[0-9]{1,6})?\\}"),
    ("date[]", "\\{\\{NULL,0001-01-01\\},\\{[1-9][0-9]{3}-(02-28|12-31),-?infinity\\}\\}|\\{9999-12-31\\}"),
    ("time[]", "\\{24:00:00,NULL,[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?\\}"),
    ("json[]", "\\{\"null\",NULL,\"\\[1\\.5,\\\\\"[a-z]{0,3}\\\\\"\\]\"\\}"),
    ("jsonb[]", "\\{\"null\",NULL,\"\\[1\\.5, \\\\\"[a-z]{0,3}\\\\\"\\]\"\\}|\\{\\{\"\\[1\\]\"\\},\\{\"null\"\\}\\}"),
    ("mood[]", "\\{\"so so\",NULL,\"NULL\",\"\\{\\\\\"\\\\\\\\,\\}\",ü\\}"),
];

/// Literals with whatever has to be quoted in them.
const ARRAYS_OF_TEXT: &str = concat!(
    "\\{\\}|\\{(NULL|\"null\"|\"([^\\x00\"\\\\]|\\\\[\"\\\\]){0,9}\")(,(NULL|\"([^\\x00\"\\\\]|\\\\[\"\\\\]){0,9}\")){0,4}\\}",
    "|\\{\\{\\{[a-z]\\},\\{\"\\]=\\{\"\\}\\}\\}|\\[-1:0\\]\\[4:5\\]=\\{\\{a,b\\},\\{NULL,\"\\{\"\\}\\}",
);

/// A type that has no form but its spelling, which the others of its table then have to go in.
const SPELLED: (&str, &str) = ("interval", "-?[1-9]{1,3} days|1 month");

/// Dates that only PostgreSQL has, on their way beside the others: the Gregorian calendar, both ends included.
const FAR: &[(&str, &str)] = &[
    (
        "timestamptz",
        "(4713-01-01|0001-12-31|0044-03-15|[1-3][0-9]{2}1-02-28) 12:00:00(\\.[0-9]{6})?Z BC|294276-12-31 23:59:59\\.999999Z",
    ),
    ("timestamp", "[1-9][0-9]{4}-(02-28|03-01) 24:00:00|1[0-9]{3}00-02-28 23:00:00|294276-12-31 23:59:59\\.999999"),
    ("date[]", "\\{\"0044-03-15 BC\",2025-01-31\\}|\\{[1-4][0-9]{6}-0[1-9]-28,NULL\\}"),
    ("date", "4713-01-01 BC|0001-12-31 BC|[1-3][0-9]{3}-01-01 BC|[1-4][0-9]{6}-0[1-9]-28|5874897-12-31"),
];

/// A database of tables that hold the types, of analyses and chunks alike.
fn database<'s>(server: &'s Postgres, types: &[(&str, &str)]) -> PgDatabase<'s> {
    let columns: String = types.iter().enumerate().map(|(at, (name, _))| format!(", v{at} {name}")).collect();
    let database = server.database(Pgvector::Absent);
    database.sql(&format!(
        "CREATE DOMAIN percentage AS smallint CHECK (VALUE <= 100); CREATE DOMAIN tags AS text[];
         CREATE TYPE mood AS ENUM ('so so', 'NULL', '{{\"\\,}}', 'ü'); CREATE DOMAIN feeling AS mood CHECK (VALUE <> 'NULL');
         CREATE TABLE analyses (id integer PRIMARY KEY, status text{columns});
         CREATE TABLE chunks (id bigint PRIMARY KEY, analysis_id integer REFERENCES analyses, chunk_index smallint{columns})"
    ));
    database
}

/// Rows that the server reads itself go over to another; both then hold the same.
fn go_over(types: &[(&'static str, &'static str)], format: CopyFormat, cases: u32) {
    let Some(server) = Postgres::shared() else { return };
    let (from, to) = (database(server, types), database(server, types));
    let location = Location::find(Some(&to.url())).expect("a location");
    let Address::Postgres(address) = &location.address else { panic!("a server") };
    let schema = schema(&mut connect(address).expect("a connection"), &Mapping::default()).expect("a schema");
    assert_eq!(CopyFormat::of(schema.tables().flat_map(|table| &table.columns)), format);
    let sandbox = Sandbox::new();
    let values: Vec<_> = types.iter().map(|(_, pattern)| prop::option::weighted(0.9, *pattern)).collect();
    let rows = prop::collection::vec(values, 2..9);
    let config = Config { cases, max_shrink_iters: 60, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&rows, |rows| {
        let mut statements = "TRUNCATE analyses, chunks;".to_owned();
        for (id, row) in (1..).zip(&rows) {
            let value = |value: &Option<String>| value.as_deref().map_or("NULL".to_owned(), literal);
            let values: Vec<_> = row.iter().map(value).collect();
            let values = values.join(", ");
            statements += &match id {
                1 => format!("INSERT INTO analyses VALUES (1, 'completed', {values});"),
                id => format!("INSERT INTO chunks VALUES ({id}, 1, {id}, {values});"),
            };
        }
        from.sql(&statements);
        to.sql("TRUNCATE analyses, chunks");
        sandbox.sh(&format!("golden-export --quiet --force --db '{}' --output golden.json", from.url())).ok();
        sandbox.sh(&format!("golden-import --no-embed --db '{}' golden.json", to.url())).ok();
        sandbox.sh(&format!("golden-verify --db '{}' golden.json", to.url())).ok();
        for table in ["analyses", "chunks"] {
            let query = format!("SET TimeZone = 'UTC'; SELECT t::text FROM {table} t ORDER BY id");
            prop_assert_eq!(to.rows(&query), from.rows(&query));
        }
        Ok(())
    });
    result.unwrap();
}

#[test]
fn values_of_every_type_arrive_as_the_server_reads_them() {
    go_over(TYPES, CopyFormat::Binary, if golden_tests::long_form() { 2_000 } else { 24 });
}

#[test]
fn values_of_every_type_arrive_as_they_are_spelled() {
    go_over(&[TYPES, &[SPELLED]].concat(), CopyFormat::Text, if golden_tests::long_form() { 1_000 } else { 12 });
}

#[test]
fn dates_of_all_ages_arrive() {
    go_over(FAR, CopyFormat::Binary, if golden_tests::long_form() { 1_000 } else { 16 });
}

/// Tables without rows, a document for them, and a note of each proof that was not the quick one.
struct Filled<'s> {
    sandbox: Sandbox,
    database: PgDatabase<'s>,
}

impl<'s> Filled<'s> {
    fn new(server: &'s Postgres) -> Self {
        let (sandbox, database) = (Sandbox::new(), server.database(Pgvector::Absent));
        database.sql(
            "CREATE TYPE state AS ENUM ('new', 'in use');
             CREATE TABLE analyses (id integer PRIMARY KEY, status text);
             CREATE TABLE chunks (id bigint PRIMARY KEY, analysis_id integer REFERENCES analyses, content text,
                                  chunk_index integer, seen timestamp, more jsonb, price numeric, tags text[],
                                  state state, states state[]);
             CREATE TABLE slow (what text);
             CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO slow SELECT object_identity FROM pg_event_trigger_ddl_commands()
                 WHERE object_identity LIKE '%golden_written';
             END $$;
             CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION note();
             INSERT INTO analyses VALUES (1, 'completed');
             INSERT INTO chunks SELECT n, 1, repeat('text ', CASE n % 7 WHEN 0 THEN 500 ELSE n % 90 END), n, '2025-01-31',
                 '{\"b\": 1.50, \"a\": []}', n * 1.50, ARRAY['a', 'b ' || n, NULL], 'in use', '{{new,in use}}' FROM generate_series(1, 3000) n",
        );
        let url = database.url();
        sandbox.sh(&format!("golden-export --quiet --db '{url}' --output golden.json")).ok();
        database.sql("TRUNCATE analyses, chunks");
        Self { sandbox, database }
    }

    fn import(&self) -> golden_tests::Run {
        self.sandbox.sh(&format!("golden-import --no-embed --db '{}' golden.json", self.database.url()))
    }
}

#[test]
fn rows_that_lie_elsewhere_are_proven_quickly_too() {
    let Some(server) = Postgres::shared() else { return };
    let filled = Filled::new(server);
    filled.import().ok();
    // A small row is put where a large one found no room.
    let is_ordered = "SELECT bool_and(before < id) FROM (SELECT id, lag(id) OVER (ORDER BY ctid) before FROM chunks) c";
    assert_eq!(filled.database.rows(is_ordered), [["f"]]);
    assert_eq!(filled.database.rows("SELECT what FROM slow"), [[""; 1]; 0]);
    filled.sandbox.sh(&format!("golden-verify --db '{}' golden.json", filled.database.url())).ok();
    for change in [
        "NEW.content := NEW.content || '.'",
        "NEW.more := '{}'",
        "NEW.price := NEW.price + 0.01",
        "NEW.seen := NULL",
        "NEW.tags[2] := 'b'",
        "NEW.tags := '[0:1]={a,b}'",
        "NEW.state := 'new'",
        "NEW.states := '{new}'",
    ] {
        filled.database.sql(&format!(
            "TRUNCATE analyses, chunks;
             CREATE OR REPLACE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {change}; RETURN NEW; END $$;
             CREATE OR REPLACE TRIGGER meddle BEFORE INSERT ON chunks FOR EACH ROW WHEN (NEW.id = 2000)
             EXECUTE FUNCTION meddle()"
        ));
        filled.import().exits(1).one_error().says("read back differently");
    }
}

#[test]
fn a_value_that_the_server_refuses_in_binary_form_is_named() {
    let Some(server) = Postgres::shared() else { return };
    let filled = Filled::new(server);
    let document = filled.sandbox.json("golden.json").to_string();
    for (taken, refused, field, why) in [
        ("\"2025-01-31T00:00:00Z\"", "\"294277-01-01 00:00:00\"", "seen", "out of range"),
        ("\"in use\"", "\"used\"", "state", "used"),
        ("[\"new\",\"in use\"]", "[\"new\",\"used\"]", "states", "used"),
    ] {
        filled.sandbox.write("golden.json", document.replacen(taken, refused, 1));
        filled.sandbox.sh("golden-verify --seal golden.json > sealed.json; mv sealed.json golden.json").ok();
        for rows in ["", "INSERT INTO analyses VALUES (2, 'completed')"] {
            filled.database.sql(rows);
            filled.import().exits(1).one_error().says(&format!("chunk 1, field `{field}`")).says(why);
            filled.database.sql("DELETE FROM analyses");
        }
    }
}

#[test]
fn an_id_may_be_wider_where_it_is_referred_to() {
    let Some(server) = Postgres::shared() else { return };
    let filled = Filled::new(server);
    filled.database.sql("ALTER TABLE chunks ALTER analysis_id TYPE bigint");
    filled.import().ok();
    assert_eq!(filled.database.rows("SELECT DISTINCT analysis_id FROM chunks"), [["1"]]);
    filled.sandbox.sh(&format!("golden-verify --db '{}' golden.json", filled.database.url())).ok();
}
