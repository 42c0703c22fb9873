"""The outcomes and charges of a run: what is sent of them, their ledger; and that its checks can fail."""

from decimal import Decimal

import pytest

from schemas.charges import decode_charge
from schemas.outcomes import decode_outcome
from tests.faults import papers
from tests.faults.papers import Logged, Paper, Papers, missing, papers_truth
from tests.faults.test_suite import NOW_US


def papers_of(seed: int, number: int = 400) -> list[Paper]:
    """Papers of a seed, a second apart."""
    found = Papers(seed)
    return [found.next(NOW_US + at * 1_000_000) for at in range(number)]


def logged(sent: list[Paper]) -> list[Logged]:
    """The log when each paper was appended once, in order."""
    return [Logged(paper.topic, 0, at, paper.as_bytes()) for at, paper in enumerate(sent)]


def test_papers_are_what_the_contract_reads() -> None:
    """Every outcome and charge of a run is one to the product: what becomes a dead letter contradicts, nothing else."""
    sent = papers_of(3)
    assert papers_of(3) == sent
    for paper in sent:
        (decode_outcome if paper.topic == papers.OUTCOMES else decode_charge)(paper.as_bytes())
    assert missing(sent, logged(sent)) == []
    assert len(missing(sent, logged(sent)[1:])) == 1


def test_of_each_paper_the_highest_revision_stands() -> None:
    """By hand: a copy changes nothing, a contradiction is a dead letter, what is void is gone, what is 0 debits 0."""

    def paper(revision: int, amount: int, topic: str = papers.CHARGES) -> Paper:
        return Paper(topic=topic, org="ledger", id="p", revision=revision, amount_pico_usd=amount, at_us=NOW_US)

    truth = papers_truth(logged([paper(1, 5), paper(1, 5), paper(1, 6), paper(2, 7)]))
    assert (truth.of(papers.CHARGES), truth.debits()) == ({("ledger", "p"): (2, 7)}, {"ledger": 7})
    assert truth.dead == {(papers.CHARGES, 0, 2): "conflicting_duplicate"}
    gone = papers_truth(logged([paper(1, 5, papers.OUTCOMES), paper(2, 0, papers.OUTCOMES), paper(1, 5), paper(2, 0)]))
    assert (gone.of(papers.OUTCOMES), gone.debits()) == ({}, {"ledger": 0})


@pytest.mark.parametrize("change", [{"amount": "0.000000000001"}, {"revision": "9"}, {"id": "other"}])
def test_a_paper_that_is_stored_otherwise_is_seen(change: dict[str, str]) -> None:
    """One pico-dollar, another revision, another id: the check fails; as it should be, it passes."""
    truth = papers_truth(logged(papers_of(3)))
    amounts = {key: f"{Decimal(amount).scaleb(-12):f}" for key, (_, amount) in truth.of(papers.CHARGES).items()}
    rows = [
        {"org": org, "id": name, "revision": str(revision), "amount": amounts[org, name]}
        for (org, name), (revision, _) in truth.of(papers.CHARGES).items()
    ]
    assert papers.stored_check(papers.CHARGES, truth, rows).passed
    assert not papers.stored_check(papers.CHARGES, truth, [rows[0] | change, *rows[1:]]).passed
    assert not papers.stored_check(papers.CHARGES, truth, rows[1:]).passed
    assert not papers.letters_check(truth, []).passed
    assert not papers.debits_check(truth, []).passed
