#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the plain path costs other workers, by counting: every instruction that two workers run for
the same kind of packets (`bench trace`), which of them are locked, and which cache lines one worker
writes and the other touches. Prints lines of JSON like tests/bench/bench; the lines of shared memory
by the functions that touch them.

What a count cannot say: how long a transfer takes. What it leaves out: the stack and thread-local
memory (%fs), which are a thread's own.
"""
import array
import bisect
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

LINE = 64
REGISTERS = {name: i for i, name in enumerate(
    "r8 r9 r10 r11 r12 r13 r14 r15 rdi rsi rbp rbx rdx rax rcx rsp rip".split())}
STEP = len(REGISTERS)
RIP, RSP = REGISTERS["rip"], REGISTERS["rsp"]
OPERAND = re.compile(r"(%[a-z]s:)?(-?0x[0-9a-f]+)?\(([^)]*)\)")
NOT_MEMORY = ("lea", "nop", "call", "ret", "endbr", "push", "pop")
READS_LAST = ("cmp", "test", "vptest", "ucomi", "vucomi", "comi", "vcomi", "bt ", "btl", "btq",
              "prefetch", "jmp", "mul", "div", "idiv", "ldmxcsr", "vldmxcsr", "clflush")
WRITES_ALONE = ("inc", "dec", "neg", "not", "set", "stmxcsr", "vstmxcsr", "sar", "shr", "shl",
                "rol", "ror", "cmpxchg", "xadd")
MASK = (1 << 64) - 1


def size_of(mnemonic, operands):
    """Bytes of a memory operand; at most, where the text leaves it open."""
    scalar = re.match(r"v?(mov|pinsr|pextr|pbroadcast|broadcasts)([bwdqs])", mnemonic)
    if mnemonic in ("vmovd", "movd", "vmovss", "movss"):
        return 4
    if mnemonic in ("vmovq", "movq", "vmovsd", "movsd", "vmovhps", "vmovlps", "vmovhpd", "vmovlpd",
                    "movhps", "movlps"):
        return 8
    if mnemonic.startswith(("vpinsr", "pinsr", "vpextr", "pextr", "vpbroadcast")) and scalar:
        return {"b": 1, "w": 2, "d": 4, "q": 8}[scalar[2]]
    if mnemonic.startswith(("vbroadcasti128", "vbroadcastf128")):
        return 16
    for name, size in (("%zmm", 64), ("%ymm", 32), ("%xmm", 16)):
        if name in operands:
            # a narrowing or widening move touches less than its register
            return size // 2 if mnemonic.startswith(("vpmovzx", "vpmovsx")) else size
    if mnemonic.startswith(("movzb", "movsb")):
        return 1
    if mnemonic.startswith(("movzw", "movsw")):
        return 2
    if re.search(r"%(e[a-ds][xip]|e[sd]i|r\d+d)\b", operands) or mnemonic.endswith("l"):
        return 4
    if re.search(r"%(r[a-ds][xip]|r[sd]i|r\d+)(?![bwd\d])", re.sub(OPERAND, "", operands)):
        return 8
    if mnemonic.endswith("q"):
        return 8
    return 2 if mnemonic.endswith("w") else 1


class Instruction:
    """One instruction: whether it is locked, and how to find the memory that it touches."""

    def __init__(self, text, function, base):
        self.base = base  # what is added to addresses in the text
        words = text.split("#")[0].split("<")[0].split()
        prefixes = []
        while words and words[0] in ("lock", "rep", "repz", "repnz", "bnd", "notrack", "data16"):
            prefixes.append(words.pop(0))
        mnemonic, operands = words[0], " ".join(words[1:])
        self.function = function
        self.text = text
        self.memory = None
        self.unknown = False
        found = OPERAND.search(operands)
        self.locked = "lock" in prefixes or (mnemonic.startswith("xchg") and found is not None)
        if found is None or mnemonic.startswith(NOT_MEMORY) or found[1] == "%fs:":
            return
        names = [name.strip().lstrip("%") for name in found[3].split(",")]
        if any(name[:3] in ("xmm", "ymm", "zmm") for name in names):
            self.unknown = True  # gathers: their indices are not recorded
            return
        first = REGISTERS.get(names[0])
        index = REGISTERS.get(names[1]) if len(names) > 1 else None
        scale = int(names[2]) if len(names) > 2 else 1
        last = re.sub(r"\{[^}]*\}", "", operands).rstrip().endswith(")")
        alone = "," not in OPERAND.sub("", operands)
        writes = last and not mnemonic.startswith(READS_LAST) and (
            not alone or mnemonic.startswith(WRITES_ALONE)) or mnemonic.startswith(
                ("xchg", "xadd", "cmpxchg"))
        self.memory = (first, index, scale, int(found[2] or "0", 16), size_of(mnemonic, operands),
                       writes, first == RSP)


class Code:
    """Instructions by their address in the traced process."""

    def __init__(self):
        self.maps = []  # (start, end, offset, file), in order
        self.known = {}

    def add_map(self, line):
        addresses, _, offset, _, _, *path = line.split()
        start, end = (int(part, 16) for part in addresses.split("-"))
        self.maps.append((start, end, int(offset, 16), path[0] if path else ""))

    def load(self, wanted):
        """Disassembles what holds any of the addresses."""
        starts = [entry[0] for entry in self.maps]
        by_map = collections.defaultdict(set)
        for address in wanted:
            i = bisect.bisect_right(starts, address) - 1
            by_map[self.maps[i]].add(address)
        for (start, _, offset, path), addresses in by_map.items():
            if not os.path.exists(path):
                raise RuntimeError(f"no file holds the code at {hex(min(addresses))}")
            self.disassemble(path, start - offset, addresses)

    def disassemble(self, path, base, addresses):
        listing = subprocess.run(
            ["objdump", "-d", "-w", "--no-show-raw-insn",
             f"--start-address={min(addresses) - base}",
             f"--stop-address={max(addresses) - base + 16}", path],
            capture_output=True, text=True, check=True).stdout
        function = "?"
        for line in listing.splitlines():
            head = re.match(r"[0-9a-f]+ <(.*)>:$", line)
            if head:
                function = head[1]
                continue
            address, _, text = line.partition(":\t")
            if text and int(address, 16) + base in addresses:
                self.known[int(address, 16) + base] = Instruction(text, function, base)


class Segment:
    """What one worker did for its packets."""

    def __init__(self, packets, steps, code):
        self.packets = packets
        self.instructions = len(steps) // STEP
        self.locked = collections.Counter()
        self.read, self.written = collections.defaultdict(set), collections.defaultdict(set)
        self.unknown = collections.Counter()
        for at in range(0, len(steps), STEP):
            instruction = code.known[steps[at + RIP]]
            if instruction.locked:
                self.locked[f"{instruction.function}: {instruction.text}"] += 1
            if instruction.unknown:
                self.unknown[instruction.text] += 1
            if instruction.memory is not None:
                self.touch(instruction, steps, at)

    def touch(self, instruction, steps, at):
        base, index, scale, displacement, size, writes, stack = instruction.memory
        if stack:
            return
        if base == RIP:  # of the next instruction: objdump's comment names the sum
            address = int(instruction.text.split("#")[1].split()[0], 16) + instruction.base
        else:
            address = displacement + (steps[at + base] if base is not None else 0)
        if index is not None:
            address += steps[at + index] * scale
        address &= MASK
        for line in range(address // LINE, (address + size - 1) // LINE + 1):
            (self.written if writes else self.read)[line].add(instruction.function)

    def touched(self):
        return self.read.keys() | self.written.keys()


def shared_lines(a, b):
    """Lines that one writes and the other touches, and the functions that do."""
    lines = (a.written.keys() & b.touched()) | (b.written.keys() & a.touched())
    functions = collections.Counter()
    for line in lines:
        names = set()
        for segment in (a, b):
            names |= segment.written[line] | segment.read[line]
        functions[", ".join(sorted(names))] += 1
    return lines, functions


def main():
    bench, *options = sys.argv[1:]
    code, segments = Code(), []
    with tempfile.NamedTemporaryFile() as file:
        output = subprocess.run([bench, "trace", "--trace", file.name, *options],
                                stdout=subprocess.PIPE, text=True, check=True).stdout
        steps = array.array("Q")
        steps.frombytes(file.read())
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        if word == "map":
            code.add_map(rest)
        elif word == "segment":
            _, packets, count, steered = rest.split(" ", 3)
            segments.append((steered, int(packets), int(count)))
        else:
            print(line)
    code.load(set(steps[RIP::STEP]))
    at, traced = 0, collections.defaultdict(list)
    for steered, packets, count in segments:
        traced[steered].append(Segment(packets, steps[at:at + count * STEP], code))
        at += count * STEP
    for steered, (a, b) in traced.items():
        report(steered, a, b)


def report(steered, a, b):
    packets = a.packets + b.packets
    lines, functions = shared_lines(a, b)
    locked = a.locked + b.locked

    def figure(what, value, **more):
        print(json.dumps({"bench": "shared", "steered": steered, "unit": f"{what}/packet",
                          "value": value / packets, "best": value / packets, **more}))

    figure("instructions", a.instructions + b.instructions)
    figure("locked instructions", sum(locked.values()), by=locked)
    figure("cache lines touched", len(a.touched()) + len(b.touched()))
    figure("cache lines shared", len(lines), by=functions)
    for text in a.unknown + b.unknown:
        print(f"trace: not followed: {text}", file=sys.stderr)


main()
