"""Writes a small index of every type into a folder, each with its vectors' ids and what FAISS says of it.

faiss_zoo.py FOLDER [VECTORS]. Types that this version of FAISS does not know are left out and named on stderr.
tests/fixtures/faiss-VERSION.tar.gz were made by faiss-cpu of that version from PyPI, with 120 vectors:
tar --sort=name --owner=0 --group=0 --mtime=@0 -C FOLDER -cf - . | gzip -9n
"""
import json
import sys
from pathlib import Path

import faiss
import numpy as np

D = 16
FLOAT = {
    "flat-l2": "Flat",
    "flat-ip": ("Flat", faiss.METRIC_INNER_PRODUCT),
    "flat-l1": ("Flat", faiss.METRIC_L1),
    "idmap-flat": "IDMap,Flat",
    "idmap2-flat": ("IDMap2,Flat", faiss.METRIC_INNER_PRODUCT),
    "hnsw-flat": "HNSW8,Flat",
    "hnsw-sq": "HNSW8_SQ8",
    "hnsw-pq": "HNSW8_PQ4x4np",
    "idmap-hnsw": "IDMap,HNSW8,Flat",
    "nsg-flat": "NSG8,Flat",
    "sq8": "SQ8",
    "sq6": "SQ6",
    "sq4": "SQ4",
    "sqfp16": "SQfp16",
    "sqbf16": "SQbf16",
    "pq": "PQ4x4np",
    "pq-fastscan": "PQ4x4fs",
    "lsh": "LSH",
    "ivf-flat": "IVF4,Flat",
    "ivf-flat-dedup": "IVF4,FlatDedup",
    "ivf-sq": "IVF4,SQ8",
    "ivf-pq": "IVF4,PQ4x4np",
    "ivf-pq-fastscan": "IVF4,PQ4x4fs",
    "ivf-rabitq": "IVF4,RaBitQ",
    "rabitq": "RaBitQ",
    "rabitq-bits": "RaBitQ4",
    "ivf-rabitq-bits": "IVF4,RaBitQ4",
    "rabitq-fastscan": "RaBitQfs",
    "ivf-rabitq-fastscan": "IVF4,RaBitQfs",
    "ivf-hnsw": "IVF4_HNSW8,Flat",
    "imi": "IMI2x2,Flat",
    "pca-flat": "PCA8,Flat",
    "opq-pq": "OPQ4_8,PQ4x4np",
    "itq-lsh": "ITQ8,LSHt",
    "l2norm-flat": "L2norm,Flat",
    "rotation-ivf": "RR8,IVF4,Flat",
    "pad-flat": "Pad32,Flat",
    "refine": "SQ4,RFlat",
    "refine-pq": "PQ4x4np,Refine(SQ8)",
    "rq": "RQ2x4",
    "lsq": "LSQ2x4",
    "ivf-rq": "IVF4,RQ2x4",
    "flat-panorama": "FlatL2Panorama4",
    "ivf-flat-panorama": "IVF4,FlatPanorama4",
}
BINARY = {
    "binary-flat": "BFlat",
    "binary-ivf": "BIVF4",
    "binary-hnsw": "BHNSW8",
    "binary-idmap": "IDMap,BFlat",
    "binary-idmap2": "IDMap2,BFlat",
    "binary-hash": "BHash8",
    "binary-multihash": "BHash2x8",
}


def describe(folder, name, index, ids):
    facts = {"d": index.d, "ntotal": index.ntotal, "metric": int(index.metric_type), "trained": bool(index.is_trained)}
    facts["ids"] = sorted(int(identifier) for identifier in ids)
    (folder / f"{name}.json").write_text(json.dumps(facts))


def attempt(name, action):
    try:
        action()
    except Exception as error:
        print(f"not in FAISS {faiss.__version__}: {name} ({str(error).splitlines()[0][:100]})", file=sys.stderr)


def main(folder, count):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    faiss.omp_set_num_threads(1)
    random = np.random.default_rng(7)
    vectors = random.random((count, D), dtype=np.float32)
    custom = np.arange(count, dtype=np.int64) * 3 + 1_000_000_007

    def float_index(name, spec):
        factory, metric = spec if isinstance(spec, tuple) else (spec, faiss.METRIC_L2)
        index = faiss.index_factory(D, factory, metric)
        index.train(vectors)
        takes_ids = factory.startswith(("IDMap", "IVF", "RR8,IVF"))
        if takes_ids:
            index.add_with_ids(vectors, custom)
        else:
            index.add(vectors)
        faiss.write_index(index, str(folder / f"{name}.index"))
        describe(folder, name, index, custom if takes_ids else range(count))

    def binary_index(name, factory):
        bits = random.integers(0, 256, (count, D // 8), dtype=np.uint8)
        bare = factory.removeprefix("IDMap2,").removeprefix("IDMap,")
        index = faiss.index_binary_factory(D, bare)
        index.train(bits)
        if bare != factory:
            index = (faiss.IndexBinaryIDMap2 if "IDMap2" in factory else faiss.IndexBinaryIDMap)(index)
            index.add_with_ids(bits, custom)
        else:
            index.add(bits)
        faiss.write_index_binary(index, str(folder / f"{name}.index"))
        describe(folder, name, index, custom if bare != factory else range(count))

    for name, spec in FLOAT.items():
        attempt(name, lambda: float_index(name, spec))
    for name, factory in BINARY.items():
        attempt(name, lambda: binary_index(name, factory))

    def by_hand(name, index, ids):
        faiss.write_index(index, str(folder / f"{name}.index"))
        describe(folder, name, index, ids)

    by_hand("empty-flat", faiss.IndexFlatL2(D), [])
    by_hand("empty-idmap2", faiss.IndexIDMap2(faiss.IndexFlatIP(D)), [])
    by_hand("empty-hnsw", faiss.IndexHNSWFlat(D, 8), [])
    by_hand("untrained-ivf", faiss.index_factory(D, "IVF4,Flat"), [])
    by_hand("untrained-pq", faiss.index_factory(D, "PQ4x4np"), [])
    direct = faiss.index_factory(D, "IVF4,Flat")
    direct.train(vectors)
    direct.add_with_ids(vectors, custom)
    direct.set_direct_map_type(faiss.DirectMap.Hashtable)
    by_hand("ivf-hashtable", direct, custom)
    array = faiss.index_factory(D, "IVF4,Flat")
    array.train(vectors)
    array.add(vectors)
    array.make_direct_map()
    by_hand("ivf-array", array, range(count))
    sparse = faiss.index_factory(D, "IVF32,Flat")
    sparse.train(vectors)
    sparse.add(vectors[:3])
    by_hand("ivf-sparse", sparse, range(3))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 300)
