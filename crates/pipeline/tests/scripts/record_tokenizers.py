"""Trains the small tokenizers of tests/golden/text and records what Hugging Face's library makes of many strings.

usage: python record_tokenizers.py train FOLDER
       python record_tokenizers.py record FOLDER STRINGS SEED      (needs tokenizers 0.23)

`train` writes wordpiece.json, bpe.json and unigram.json, trained on docstrings of Python's standard library and on the
sentences below. `record` writes cases.json for all tokenizers in FOLDER (so others may be put beside these): STRINGS
random strings each, alone or as pairs, and the same with truncation and padding. The committed cases were made with
`record FOLDER 40 1`. Others are held against the steps with
`LEHR_TOKENIZER_CASES=FOLDER cargo test -p lehr-pipeline --test tokenizers -- --nocapture`.
"""

import importlib
import inspect
import json
import pathlib
import pkgutil
import random
import sys

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SENTENCES = """
Der Zug fährt um acht Uhr über die große Brücke nach Süden. Où est la bibliothèque, s'il vous plaît ?
El niño comió una manzana y después leyó un libro. Il tempo è bello e il mare è calmo questa sera.
Сегодня хорошая погода, и мы идём гулять в парк. Η θάλασσα είναι ήρεμη και ο ουρανός γαλάζιος.
今日はとても良い天気ですから、公園を散歩しましょう。 我们明天早上八点在车站见面。
오늘은 날씨가 좋아서 산책을 합니다. ฉันชอบอ่านหนังสือในห้องสมุด आज मौसम बहुत अच्छा है।
القطار يصل في الساعة الثامنة صباحا. הרכבת מגיעה בשמונה בבוקר.
""".strip().split("\n")

# The split of recent byte-level models, with look-ahead, case-insensitive and counted parts.
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

RANGES = [
    (0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0x61, 0x7A), (0xA0, 0xFF), (0x100, 0x24F), (0x300, 0x36F),
    (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F),
    (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x2070, 0x209F), (0x2150, 0x218F), (0x2600, 0x27BF),
    (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xE0FF), (0xFB00, 0xFDFF), (0xFE00, 0xFE0F),
    (0xFF00, 0xFFEF), (0xFFF0, 0xFFFF), (0x0, 0x1F), (0x7F, 0x9F), (0x10000, 0x100FF), (0x1D400, 0x1D7FF),
    (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF), (0xE0000, 0xE007F),
]
PIECES = [
    " ", "  ", "\n", "\t", "\r\n", "\u00a0", "\u3000", "\u200d", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "<pad>", "▁",
    "##ing", "don't", "WE'LL", "I've", "1234567", "3.14159", "e\u0301", "İstanbul", "straße", "ﬁne", "①", "👩‍👩‍👧", "🇩🇪",
    "naïve", "the", "return", "function", "値", "{'a': [1, 2]}", "…", "---", "İ", "ǅ", "ẞ",
]


def docstrings():
    for name in sorted(module.name for module in pkgutil.iter_modules() if module.name in sys.stdlib_module_names):
        if name in ("antigravity", "this", "idlelib", "turtle", "tkinter") or name.startswith("_"):
            continue
        try:
            members = inspect.getmembers(importlib.import_module(name))
        except Exception:
            continue
        for _, member in members:
            if isinstance(doc := getattr(member, "__doc__", None), str):
                yield doc


def train(folder):
    text = list(dict.fromkeys(docstrings())) + SENTENCES * 20

    wordpiece = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    wordpiece.normalizer = normalizers.BertNormalizer(lowercase=True)
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    wordpiece.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    wordpiece.train_from_iterator(
        text, trainers.WordPieceTrainer(vocab_size=1000, limit_alphabet=300, special_tokens=special, show_progress=False))
    wordpiece.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    wordpiece.save(str(folder / "wordpiece.json"), pretty=False)

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    bpe.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>"]
    bpe.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=1000, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    bpe.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    bpe.save(str(folder / "bpe.json"), pretty=False)

    unigram = Tokenizer(models.Unigram())
    unigram.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    unigram.train_from_iterator(text, trainers.UnigramTrainer(
        vocab_size=1000, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    unigram.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    unigram.save(str(folder / "unigram.json"), pretty=False)


def random_text(random, longest=12):
    parts = []
    for _ in range(random.randrange(longest)):
        if random.random() < 0.4:
            parts.append(random.choice(PIECES))
            continue
        first, last = random.choice(RANGES)
        parts.append("".join(chr(random.randint(first, last)) for _ in range(random.randint(1, 8))))
        if random.random() < 0.5:
            parts.append(" ")
    return "".join(parts)


def usual_pad_id(tokenizer):
    return next(id for token in ("[PAD]", "<pad>") if (id := tokenizer.token_to_id(token)) is not None)


def case(tokenizer, name, text, second, parameters):
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if "max_length" in parameters and parameters.get("truncation") != "none":
        tokenizer.enable_truncation(
            parameters["max_length"],
            strategy=parameters.get("truncation", "longest_first"),
            direction=parameters.get("truncation_side", "right"))
    if parameters.get("padding", "none") != "none":
        tokenizer.enable_padding(
            direction=parameters.get("padding_side", "right"),
            pad_id=parameters.get("pad_id", usual_pad_id(tokenizer)),
            length=parameters["max_length"] if parameters["padding"] == "max_length" else None,
            pad_to_multiple_of=parameters.get("multiple_of"))
    special = parameters.get("add_special_tokens", True)
    try:
        encoding = tokenizer.encode(text, second, add_special_tokens=special)
    except Exception:
        return None
    return {
        "file": name, "text": text, "second": second, "parameters": parameters,
        "ids": encoding.ids, "mask": encoding.attention_mask, "types": encoding.type_ids,
        "decoded": tokenizer.decode(encoding.ids),
    }


def random_parameters(random):
    parameters = {"padding": random.choice(["none", "longest", "max_length"]), "max_length": random.randint(6, 24)}
    if parameters["padding"] != "none" and random.random() < 0.5:
        parameters["multiple_of"] = random.choice([4, 8])
    for key, values in [
        ("truncation", ["longest_first", "only_first"]), ("truncation_side", ["left", "right"]),
        ("padding_side", ["left", "right"]), ("pad_id", [1, 7]), ("add_special_tokens", [False, True]),
    ]:
        if random.random() < 0.5:
            parameters[key] = random.choice(values)
    return parameters


def record(folder, count, seed):
    cases = []
    for path in sorted(folder.glob("*.json")):
        if path.name == "cases.json":
            continue
        source = random.Random(seed)
        tokenizer = Tokenizer.from_file(str(path))
        for index in range(count):
            text = random_text(source)
            second = random_text(source) if index % 4 == 3 else None
            cases.append(case(tokenizer, path.name, text, second, {"truncation": "none", "padding": "none"}))
            if index % 2:
                cases.append(case(tokenizer, path.name, text, second, random_parameters(source)))
    cases = list(filter(None, cases))
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (folder / "cases.json").write_text(f"[\n{lines}\n]\n")
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[2])
    if sys.argv[1] == "train":
        train(folder)
    else:
        record(folder, int(sys.argv[3]), int(sys.argv[4]))
