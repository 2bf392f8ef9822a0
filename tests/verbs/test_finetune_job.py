"""What all seeds and trials of a fine-tuning share."""

import gc
import weakref

from gloze.checkpoint import load_parts
from gloze.recipes.finetuning import load_finetuning
from gloze.tasks.labelled import read_splits
from gloze.verbs.finetune_job import Given
from tests.verbs import labelled


def test_examples_are_encoded_once_for_a_task_and_only_the_last_are_kept(tmp_path):
    parts = load_parts(labelled.model_folder(tmp_path / "model"))
    paths = {"train": labelled.write_tsv(tmp_path / "train.tsv", 8)}
    long, short = (
        load_finetuning(None, [f"task.max_length={n}"], task="classification", hidden_size=32)
        for n in (32, 8)
    )
    examples = read_splits(long.task.reader(), paths)
    given = Given(tmp_path / "model", parts, paths, examples, None)
    first = given.job(long).data
    assert given.job(long).data is first
    kept = weakref.ref(first)
    del first
    given.job(short)
    gc.collect()
    assert kept() is None
