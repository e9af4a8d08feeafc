"""A batch is a tree, and a pair is a type."""

import json

import torch

from codealign.batches import EncodedPair, Outputs, batch_pairs

ONE = EncodedPair((1, 2), (3, 4, 5), (6,))
TWO = EncodedPair((1, 2), (3, 4, 5), (7, 8), weight=0.5)
OTHER = EncodedPair((9,), (6,), (3, 4, 5), weight=2.0)


def test_each_prompt_and_each_completion_of_it_is_held_once():
    batch = batch_pairs([ONE, TWO, OTHER])
    # prompt (1, 2): (3, 4, 5) > (6,)    and (3, 4, 5) > (7, 8)
    # prompt (9,):   (6,)     > (3, 4, 5)
    assert batch.prompts == ((1, 2), (9,))
    assert batch.completions == ((3, 4, 5), (6,), (7, 8), (6,), (3, 4, 5))
    assert batch.prompt_of_N.tolist() == [0, 0, 0, 1, 1]
    assert batch.chosen_P.tolist() == [0, 0, 3]
    assert batch.rejected_P.tolist() == [1, 2, 4]
    assert batch.pair_weights_P.tolist() == [1.0, 0.5, 2.0]


def test_a_completion_weighs_what_the_pairs_that_chose_it_weigh():
    batch = batch_pairs([ONE, TWO, OTHER])
    assert batch.weights_N.tolist() == [1.0 + 0.5, 0.0, 0.0, 2.0, 0.0]


def test_rows_and_lengths_follow_the_completions():
    batch = batch_pairs([ONE, OTHER])
    assert batch.rows() == [
        ((1, 2), (3, 4, 5)),
        ((1, 2), (6,)),
        ((9,), (6,)),
        ((9,), (3, 4, 5)),
    ]
    assert batch.lengths_N.tolist() == [3, 1, 1, 3]
    assert batch.num_tokens == 5 + 3 + 2 + 4


def test_without_rejected_there_are_no_pairs_and_no_rejected_rows():
    batch = batch_pairs([ONE, TWO, OTHER], with_rejected=False)
    assert batch.num_pairs == 0
    assert batch.completions == ((3, 4, 5), (6,))
    assert batch.weights_N.tolist() == [1.5, 2.0]


def test_what_other_references_say_is_a_row_of_each_side_and_their_weights_a_row_of_each_pair():
    pairs = [
        pair._replace(
            chosen_reference_logps=(-1.0 - p, -2.0 - p),
            rejected_reference_logps=(-3.0 - p, -4.0 - p),
            reference_weights=(0.5, 0.25, 0.25),
        )
        for p, pair in enumerate([ONE, TWO])
    ]
    batch = batch_pairs(pairs)
    # pair 0 chosen, pair 1 chosen, pair 0 rejected, pair 1 rejected; one column for each other reference
    expected = [[-1.0, -2.0], [-2.0, -3.0], [-3.0, -4.0], [-4.0, -5.0]]
    assert batch.reference_logps_SK.tolist() == expected
    assert batch.reference_logps_SK.dtype == torch.float64
    assert batch.reference_weights_PK.tolist() == [[0.5, 0.25, 0.25]] * 2
    assert batch.to(torch.device("cpu")).to_row()["reference_logps_SK"] == expected


def test_pairs_of_which_one_has_no_references_make_a_batch_without():
    annotated = ONE._replace(chosen_reference_logps=(-1.0,), rejected_reference_logps=(-2.0,))
    for pairs in ([annotated, TWO], [ONE, TWO]):
        assert batch_pairs(pairs).reference_logps_SK is None
        assert batch_pairs(pairs).reference_weights_PK is None
    assert batch_pairs([annotated], with_rejected=False).reference_logps_SK is None


def test_a_batch_can_be_written_down():
    row = json.loads(json.dumps(batch_pairs([ONE]).to_row()))
    assert row["completions"] == [[3, 4, 5], [6]]
    assert row["chosen_P"] == [0]


def test_outputs_sum_tokens_and_subtract_the_reference():
    outputs = Outputs(
        logps_NT=torch.tensor([[-1.0, -2.0], [-3.0, 0.0]]),
        reference_logps_NT=torch.tensor([[-1.5, -2.0], [-1.0, 0.0]]),
        lengths_N=torch.tensor([2, 1]),
    )
    assert outputs.logps_N.tolist() == [-3.0, -3.0]
    assert outputs.log_ratios_N.tolist() == [0.5, -2.0]
