"""The knowledge base, its index and drafts from the shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.desk import CommandLine

REFUNDS = (
    "# Refunds\n\nA refund takes five working days after we received the parcel.\n\n"
    "## Damaged goods\n\nSend a photograph of the damage, and keep the box.\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "articles"
    (made / "deep").mkdir(parents=True)
    (made / "refunds.md").write_text(REFUNDS)
    (made / "deep" / "shipping.md").write_text(
        '---\ntitle: "Shipping: \\"fast\\""\n---\nParcels leave on weekdays before noon.\n'
    )
    (made / "broken.md").write_bytes(b"\xff\xfe\x00")
    return made


def test_an_import_reports_each_file_and_the_second_one_changes_nothing(
    cli: CommandLine, folder: Path
) -> None:
    first = cli("kb", "import", folder, "--json")
    (folder / "broken.md").unlink()
    second = cli.json("kb", "import", folder)

    assert first.code == 1
    assert {item["path"]: item["status"] for item in first.json["items"]} == {
        "broken.md": "failed",
        "deep/shipping.md": "created",
        "refunds.md": "created",
    }
    assert {item["status"] for item in second["items"]} == {"unchanged"}
    assert "3 files: 2 created, 1 failed." in first.err


def test_what_is_exported_can_be_imported_again_unchanged(
    cli: CommandLine, folder: Path, tmp_path: Path
) -> None:
    (folder / "broken.md").unlink()
    cli.json("kb", "import", folder)
    cli.json("kb", "new", "By hand: #1", "Written *here*.\n", "--publish")
    copy = tmp_path / "copy"

    exported = cli.json("kb", "export", copy)
    other = cli.json("kb", "import", copy, "--workspace", "copy")

    assert sorted(item["path"] for item in exported["items"]) == [
        "by-hand-1-3.md",
        "deep/shipping.md",
        "refunds.md",
    ]
    assert {item["status"] for item in other["items"]} == {"created"}
    texts = {
        workspace: sorted(
            (row["title"], cli.json("kb", "show", row["id"], "--workspace", workspace)["content"])
            for row in cli.json("kb", "list", "--workspace", workspace)["items"]
        )
        for workspace in ("default", "copy")
    }
    assert texts["default"] == texts["copy"]


def test_an_article_goes_from_draft_to_published_to_archived(cli: CommandLine) -> None:
    begun = cli.json("kb", "new", "Refunds", "-", piped=REFUNDS)
    article = begun["article_id"]
    published = cli.json("kb", "publish", article)
    edited = cli.json("kb", "edit", article, "Ten days.", "--title", "Refunds 2")
    late = cli("kb", "edit", article, "Lost", "--expected-version", 1, "--json")
    shown = cli.json("kb", "show", article)
    archived = cli.json("kb", "archive", article)

    keys = {"article_id", "revision_id", "version", "state"}
    assert all(one.keys() >= keys for one in (begun, published, edited, shown))
    assert (begun["state"], published["state"]) == ("draft", "published")
    assert published["indexed"] is False
    assert (late.code, late.error) == (1, "version_conflict")
    assert shown["content"] == "Ten days."
    assert archived["changed"] is True
    assert cli.json("kb", "archive", article)["changed"] is False


def test_a_search_explains_itself(cli: CommandLine, folder: Path) -> None:
    cli("kb", "import", folder)

    found = cli.json("search", "How long does a refund take?", "--explain")
    told = cli("search", "How long does a refund take?", "--explain")

    assert found["items"][0].keys() >= {
        *("source_type", "trust", "title", "excerpt", "score", "why", "citation"),
    }
    assert found["items"][0]["title"] == "Refunds"
    assert found["grounding"].keys() >= {"status", "reason", "confidence"}
    assert found["trace"]["embedder"] == "hash-1024"
    assert told.out.startswith("1. ")
    assert "why:" in told.out


def test_a_draft_goes_from_question_to_customer(cli: CommandLine, folder: Path) -> None:
    cli("kb", "import", folder)
    conversation = cli.json("ingest", "--customer", "acme", "How long does a refund take?")
    worked = cli.json("worker", "--drain")

    listed = cli.json("drafts", "--status", "waiting")["items"]
    draft = cli.json("show-draft", listed[0]["id"])
    blocked = cli("resolve", conversation["conversation_id"], "--json")
    sent = cli.json("approve", "draft", draft["id"], "--edit", "Five working days.")
    again = cli("approve", "draft", draft["id"], "--json")

    assert worked["ran"] >= 2
    assert worked["failed"] == 0
    assert draft.keys() >= {
        *("id", "conversation_id", "status", "proposal_type", "customer_reply"),
        *("evidence", "grounding", "revision", "stale"),
    }
    assert blocked.json["items"][0]["code"] == "pending_draft"
    assert sent.keys() >= {"draft_id", "message_id", "status"}
    assert sent["delivery"] == "sent"
    assert again.code == 1
    assert cli.json("show", conversation["conversation_id"])["messages"][-1]["content"] == (
        "Five working days."
    )


def test_a_draft_explains_itself(cli: CommandLine, folder: Path) -> None:
    cli("kb", "import", folder)
    cli.json("ingest", "--customer", "acme", "How long does a refund take?")
    cli.json("worker", "--drain")
    cli.json("discard", "draft", 1, "--operator", "sam")

    told = cli.json("why", "draft", 1)
    read = cli("why", "draft", 1)

    assert told["query"] == "How long does a refund take?"
    assert told["evidence"][0]["title"] == "Refunds"
    assert told["grounding"].keys() >= {"status", "reason", "confidence"}
    assert [event["action"] for event in told["events"]][-1] == "drafting.discarded"
    assert told["decided_by"] == "sam"
    assert "│ How long does a refund take?" in read.out
    assert cli("why", "draft", 2).code == 1


def test_a_draft_can_be_dropped(cli: CommandLine) -> None:
    cli.json("ingest", "--customer", "acme", "How long does a refund take?")
    cli.json("worker", "--drain", "--queues", "drafting")
    draft = cli.json("drafts")["items"][0]["id"]

    dropped = cli.json("discard", "draft", draft, "--reason", "wrong tone")

    assert (dropped["status"], dropped["message_id"]) == ("discarded", None)
    assert cli.json("drafts", "--status", "waiting")["items"] == []


def test_the_index_tells_its_state_and_can_be_rebuilt(cli: CommandLine, folder: Path) -> None:
    cli("kb", "import", folder)
    rebuilt = cli.json("retrieval", "rebuild")
    cli.json("worker", "--drain", "--queues", "indexing")

    status = cli("retrieval", "status", "--json")

    assert rebuilt == {"n_queued": 2, "n_cases": 0, "corpus": "all"}
    assert (status.json["n_ready"], status.json["n_documents"]) == (2, 2)
    # The emergency embedder never grounds a reply, which a person should know.
    assert (status.code, status.json["healthy"]) == (1, False)
    assert [one["code"] for one in status.json["problems"]] == ["embedder_not_measured"]


@pytest.mark.parametrize("queue", ["drafting,nonsense", "Drafting"])
def test_a_queue_that_does_not_exist_is_bad_usage(cli: CommandLine, queue: str) -> None:
    ran = cli("worker", "--drain", "--queues", queue, "--json")

    assert (ran.code, ran.error) == (2, "usage")


def test_an_exported_file_stays_inside_its_folder(
    cli: CommandLine, folder: Path, tmp_path: Path
) -> None:
    cli("kb", "import", folder)
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "target"
    target.mkdir()
    (target / "deep").symlink_to(outside)

    ran = cli("kb", "export", target, "--json")

    assert (ran.code, ran.error) == (1, "folder_unwritable")
    assert list(outside.iterdir()) == []
    assert json.dumps(ran.json)
