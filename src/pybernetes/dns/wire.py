"""DNS packets: questions in, answers out.

Pure. Parsing and writing are dnslib's; here is what the server needs of them, and the limits of UDP.
Upstream: github.com/miekg/dns, as CoreDNS uses it.
"""

import dataclasses
from collections.abc import Sequence

import dnslib

from pybernetes.dns import answers

HEADER = 12
PLAIN_UDP = 512
MAX_UDP = 1232
"""The largest UDP answer we offer: it fits every link without fragments."""

FORMAT_ERROR, SERVER_FAILURE, NAME_ERROR, NOT_IMPLEMENTED, REFUSED = 1, 2, 3, 4, 5


class MalformedPacket(ValueError):
    """Not a DNS question that we can read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """One question: lower-case name without the last dot, type (`A`, `SRV` …), and what its packet said beside it."""

    identifier: int
    name: str
    type: str
    recursion: bool
    udp_size: int
    edns: bool
    packet: bytes


def parse(packet: bytes) -> Question:
    """The one question of a packet. Raises MalformedPacket."""
    try:
        record = dnslib.DNSRecord.parse(packet)
    except (dnslib.DNSError, ValueError, IndexError, UnicodeDecodeError) as error:
        raise MalformedPacket(str(error)) from error
    if record.header.qr or len(record.questions) != 1:
        raise MalformedPacket("not exactly one question")
    question = record.questions[0]
    option = next((one for one in record.ar if one.rtype == dnslib.QTYPE.OPT), None)
    size = max(PLAIN_UDP, min(MAX_UDP, option.rclass)) if option is not None else PLAIN_UDP
    kind = dnslib.QTYPE.forward.get(question.qtype, str(question.qtype))
    name = str(question.qname).rstrip(".").lower()
    return Question(record.header.id, name, kind, bool(record.header.rd), size, option is not None, packet)


def respond(question: Question, answer: answers.Answer, soa: answers.Record | None) -> bytes:
    """A whole answer, of any length (`truncate` cuts it for UDP)."""
    asked = dnslib.DNSRecord.parse(question.packet)
    reply = asked.reply(aa=1, ra=1)
    reply.rr.clear()
    if not answer.found:
        reply.header.rcode = NAME_ERROR
    for record in answer.records:
        reply.add_answer(_resource(record))
    for record in answer.additional:
        reply.add_ar(_resource(record))
    if not answer.records and soa is not None:
        reply.add_auth(_resource(soa))
    if question.edns:
        reply.add_ar(dnslib.EDNS0(udp_len=MAX_UDP))
    packed: bytes = reply.pack()
    return packed


def failure(packet: bytes, code: int) -> bytes:
    """An answer that only says what went wrong; works for packets that could not be parsed."""
    identifier = packet[:2].ljust(2, b"\0")
    header = dnslib.DNSHeader(id=int.from_bytes(identifier, "big"), qr=1, ra=1, rcode=code)
    packed: bytes = dnslib.DNSRecord(header).pack()
    return packed


def truncate(packet: bytes, size: int) -> bytes:
    """The packet as it is if it fits, else header and question with the TC bit: the client asks again over TCP."""
    if len(packet) <= size:
        return packet
    record = dnslib.DNSRecord.parse(packet)
    record.rr.clear()
    record.auth.clear()
    record.ar.clear()
    record.header.tc = 1
    packed: bytes = record.pack()
    return packed


def with_identifier(packet: bytes, identifier: int) -> bytes:
    """The same packet for another question's identifier."""
    return identifier.to_bytes(2, "big") + packet[2:]


def _resource(record: answers.Record) -> dnslib.RR:
    data: dnslib.RD
    match record:
        case answers.Record(type="A"):
            data = dnslib.A(record.data)
        case answers.Record(type="AAAA"):
            data = dnslib.AAAA(record.data)
        case answers.Record(type="CNAME"):
            data = dnslib.CNAME(record.data)
        case answers.Record(type="PTR"):
            data = dnslib.PTR(record.data)
        case answers.Record(type="TXT"):
            data = dnslib.TXT(record.data)
        case answers.Record(type="SRV"):
            data = dnslib.SRV(record.priority, record.weight, record.port, record.data)
        case answers.Record(type="NS"):
            data = dnslib.NS(record.data)
        case _:
            mailbox = f"hostmaster.{record.name}"
            data = dnslib.SOA(record.data, mailbox, (record.port, 7200, 1800, 86400, answers.NEGATIVE_TTL))
    return dnslib.RR(record.name, dnslib.QTYPE.reverse[record.type], rdata=data, ttl=record.ttl)


def pack_question(name: str, kind: str, identifier: int) -> bytes:
    """A question of our own (to an upstream server, and in tests)."""
    record = dnslib.DNSRecord(
        dnslib.DNSHeader(id=identifier, rd=1), q=dnslib.DNSQuestion(name, dnslib.QTYPE.reverse[kind])
    )
    packed: bytes = record.pack()
    return packed


def records(packet: bytes) -> tuple[int, Sequence[tuple[str, str, str]]]:
    """Return code and answers (name, type, data) of a packet."""
    record = dnslib.DNSRecord.parse(packet)
    found = [(str(one.rname).rstrip("."), dnslib.QTYPE[one.rtype], str(one.rdata).rstrip(".")) for one in record.rr]
    return record.header.rcode, found
