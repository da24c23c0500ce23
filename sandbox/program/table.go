package program

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/plan"
)

// An entry of the table is 80 bytes; the code knows these offsets.
//
//	 0  u32     number of the system call; highest bit set: a check; and the next: digits
//	 4  u32     bits 0-5: the argument is the address of a value
//	            bit 16: report an accepted error
//	            bits 17-31: the step in the plan
//	 8  u64×6   arguments
//	56  u64     address of the result
//	64  u16×4   accepted errors, 0 for none, 0xffff for all
//	72  u32     distance to the next entry after success, in bytes
//	76  u32     the same after an accepted error
const (
	entrySize = 80
	checkBit  = 1 << 31
	digitBit  = 1 << 30
	noteBit   = 1 << 16
	stepShift = 17
	maxSteps  = 1 << (32 - stepShift)
)

// table is the read-only segment under construction: entries first, then what
// they point to.
type table struct {
	arch     arch
	plan     *plan.Plan
	in       Input
	entries  []entry
	first    []int // the first entry of each step
	data     []byte
	strings  map[string]uint64
	values   []byte
	buffers  map[plan.Value]uint64 // addresses of values that the kernel fills
	endingAt uint64                // the address of the sigaction of Ending, once there is one
	// dataAddr is where data begins, known once the entries are counted.
	dataAddr uint64
}

type entry struct {
	nr, bits uint32
	args     [6]uint64
	result   uint64
	accept   [4]uint16
	ok, err  uint32
}

func newTable(a arch, p *plan.Plan, in Input) *table {
	t := &table{
		arch: a, plan: p, in: in, strings: make(map[string]uint64, len(p.Steps)),
		buffers: map[plan.Value]uint64{},
	}
	highest, n := plan.Value(0), 0
	for i := range p.Steps {
		highest = max(highest, p.Steps[i].Result)
		n += entriesOf(p.Steps[i].Op)
	}
	// One more, for what a result of eight bytes may run over.
	t.values = make([]byte, valuesAt+8*(int(highest)+2))
	for i := range p.Steps {
		for _, arg := range p.Steps[i].Args {
			if arg.Kind == plan.Buffer && t.buffers[plan.Value(arg.Num)] == 0 {
				t.buffers[plan.Value(arg.Num)] = t.reserve(plan.BufferSize)
			}
		}
	}
	t.dataAddr = tableAddr + uint64(n*entrySize)
	t.entries = make([]entry, 0, n)
	t.data = make([]byte, 0, 16384)
	return t
}

// entriesOf is how many entries a step becomes.
func entriesOf(op plan.Op) int {
	switch op {
	case plan.Barrier, plan.Reap:
		return 3
	case plan.Fork, plan.Octal, plan.MapOwners:
		return 4
	case plan.Listen:
		return 5
	}
	return 1
}

func valueAddress(v plan.Value) uint64 { return valueAddr + valuesAt + 8*uint64(v) }

// address is where a value is.
func (t *table) address(v plan.Value) uint64 {
	if addr, ok := t.buffers[v]; ok {
		return addr
	}
	return valueAddress(v)
}

// reserve adds writable memory.
func (t *table) reserve(n int) uint64 {
	addr := valueAddr + uint64(len(t.values))
	t.values = append(t.values, make([]byte, n)...)
	return addr
}

func (t *table) steps() error {
	if len(t.plan.Steps) > maxSteps {
		return errdefs.Errorf(errdefs.ErrInvalid, "sandbox: a plan of %d steps is too long", len(t.plan.Steps))
	}
	for i := range t.plan.Steps {
		t.first = append(t.first, len(t.entries))
		s := &t.plan.Steps[i]
		var err error
		switch s.Op {
		case plan.Octal:
			t.octal(i, s)
		case plan.Store:
			t.add(i, t.copied(&s.Args[0], t.arg(&s.Args[1])))
		case plan.MapOwners:
			err = t.mapOwners(i, s)
		case plan.Barrier:
			err = t.barrier(i, s)
		case plan.Fork:
			err = t.fork(i, s)
		case plan.Reap:
			err = t.reap(i, s)
		case plan.Listen:
			err = t.listen(i, s)
		default:
			err = t.one(i, s)
		}
		if err != nil {
			return err
		}
	}
	t.first = append(t.first, len(t.entries))
	return t.jumps()
}

// jumps turns the steps to leave out into distances between entries.
func (t *table) jumps() error {
	for i := range t.plan.Steps {
		s := &t.plan.Steps[i]
		if i+1+max(s.OnOK, s.OnError) >= len(t.first) || min(s.OnOK, s.OnError) < 0 {
			return errdefs.Errorf(errdefs.ErrInvalid, "sandbox: step %d (%s) of the plan jumps out of it", i, s.Why)
		}
		if s.Op == plan.Call || s.Op == plan.Check {
			e := &t.entries[t.first[i]]
			e.ok = uint32(t.first[i+1+s.OnOK]-t.first[i]) * entrySize
			e.err = uint32(t.first[i+1+s.OnError]-t.first[i]) * entrySize
		}
	}
	return nil
}

func (t *table) add(step int, e entry) {
	e.bits |= uint32(step) << stepShift
	if e.ok == 0 {
		e.ok, e.err = entrySize, entrySize
	}
	if e.result == 0 {
		e.result = valueAddress(0)
	}
	t.entries = append(t.entries, e)
}

func (t *table) call(name string, args ...uint64) (entry, error) {
	n, ok := lookup(name)
	if !ok {
		return entry{}, errdefs.Errorf(errdefs.ErrUnsupported, "sandbox: the system call %q has no number here", name)
	}
	e := entry{nr: t.arch.number(n)}
	copy(e.args[:], args)
	return e, nil
}

// one adds a call or a check.
func (t *table) one(i int, s *plan.Step) error {
	var e entry
	if s.Op == plan.Check {
		e.nr = checkBit
		e.args[3] = uint64(-int64(s.Errno))
	} else {
		var err error
		if e, err = t.call(s.Call); err != nil {
			return err
		}
	}
	if len(s.Args) > 6 || len(s.Accept) > len(e.accept) {
		return errdefs.Errorf(errdefs.ErrInvalid, "sandbox: step %d (%s) of the plan has too many arguments or errors",
			i, s.Why)
	}
	for n := range s.Args {
		e.args[n] = t.arg(&s.Args[n])
		if s.Args[n].Kind == plan.Result {
			e.bits |= 1 << n
		}
	}
	for n, errno := range s.Accept {
		e.accept[n] = uint16(errno)
	}
	if s.Note {
		e.bits |= noteBit
	}
	if s.Result != 0 {
		e.result = valueAddress(s.Result)
	}
	t.add(i, e)
	return nil
}

// barrier writes a record, reads a byte, and insists on having read it: when
// the parent has died, read returns zero.
func (t *table) barrier(i int, s *plan.Step) error {
	record := binary.LittleEndian.AppendUint64(nil, uint64(i))
	write, err := t.call("write", uint64(t.in.status()), t.bytesAddr(record), RecordSize)
	if err != nil {
		return err
	}
	t.add(i, write)
	result := valueAddress(s.Result)
	read, err := t.call("read", uint64(t.in.gate()), valueAddr+failureAt, 1)
	if err != nil {
		return err
	}
	read.result = result
	t.add(i, read)
	t.add(i, t.check(result, ^uint64(0), 1, unix.ECANCELED))
	return nil
}

func (t *table) check(value, mask, want uint64, otherwise unix.Errno) entry {
	return entry{nr: checkBit, bits: 1, args: [6]uint64{value, mask, want, uint64(-int64(otherwise))}}
}

// octal stores a digit of a value after the other, each in eight bytes, of which the next
// one leaves the first. After the last of them are zeros, as after a string.
func (t *table) octal(i int, s *plan.Step) {
	text := t.arg(&s.Args[1])
	for n := range uint64(4) {
		t.add(i, entry{
			nr: checkBit | digitBit, bits: 1, result: text + n,
			args: [6]uint64{t.arg(&s.Args[0]), 3 * (3 - n), 7, '0'},
		})
	}
}

// reap waits for a child, reports its status and insists on zero. wait4 stores
// the status as the second half of the record.
func (t *table) reap(i int, s *plan.Step) error {
	record := t.reserve(16)
	binary.LittleEndian.PutUint64(t.values[record-valueAddr:], uint64(i)|reaped)
	wait, err := t.call(s.Call, t.arg(&s.Args[0]), record+4)
	if err != nil {
		return err
	}
	wait.bits = 1 // the pid is a value
	t.add(i, wait)
	write, err := t.call("write", uint64(t.in.status()), record, RecordSize)
	if err != nil {
		return err
	}
	t.add(i, write)
	t.add(i, t.check(record+4, 1<<32-1, 0, unix.ECANCELED))
	return nil
}

// fork lets the child go on; the program reports its pid and ends. The pid is
// stored as the second half of the record.
func (t *table) fork(i int, s *plan.Step) error {
	record := t.reserve(16)
	binary.LittleEndian.PutUint64(t.values[record-valueAddr:], uint64(i)|forked)
	clone, err := t.call(s.Call)
	if err != nil {
		return err
	}
	for n := range s.Args {
		clone.args[n] = t.arg(&s.Args[n])
	}
	clone.result = record + 4
	t.add(i, clone)
	isChild := t.check(record+4, 1<<32-1, 0, unix.EAGAIN)
	isChild.accept[0] = uint16(unix.EAGAIN)
	isChild.ok, isChild.err = 3*entrySize, entrySize
	t.add(i, isChild)
	write, err := t.call("write", uint64(t.in.status()), record, RecordSize)
	if err != nil {
		return err
	}
	t.add(i, write)
	exit, err := t.call("exit_group", 0)
	if err != nil {
		return err
	}
	t.add(i, exit)
	return nil
}

// copied stores a number or a value, which is none of an error, at an address.
func (t *table) copied(from *plan.Arg, to uint64) entry {
	e := entry{nr: checkBit | digitBit, result: to, args: [6]uint64{t.arg(from), 0, ^uint64(0), 0}}
	if from.Kind == plan.Result {
		e.bits = 1
	}
	return e
}

// mapOwners tells the parent the descriptor of a mount, as the second half of the record, and
// waits as a barrier does.
func (t *table) mapOwners(i int, s *plan.Step) error {
	record := t.reserve(16)
	binary.LittleEndian.PutUint64(t.values[record-valueAddr:], uint64(i)|mapping)
	write, err := t.call("write", uint64(t.in.status()), record, RecordSize)
	if err != nil {
		return err
	}
	read, err := t.call("read", uint64(t.in.gate()), valueAddr+failureAt, 1)
	if err != nil {
		return err
	}
	read.result = valueAddress(0)
	told := t.copied(&s.Args[0], record+4)
	for _, e := range []entry{told, write, read, t.check(valueAddress(0), ^uint64(0), 1, unix.ECANCELED)} {
		t.add(i, e)
	}
	return nil
}

// listen loads a filter and lets the parent copy its listener, whose descriptor is stored
// as the second half of the record. All calls that follow but the first may have to wait for
// the agent that the listener goes to.
func (t *table) listen(i int, s *plan.Step) error {
	record := t.reserve(16)
	binary.LittleEndian.PutUint64(t.values[record-valueAddr:], uint64(i)|listening)
	entries := [4]entry{}
	for n, c := range []struct {
		name string
		args []uint64
	}{
		{s.Call, nil},
		{"write", []uint64{uint64(t.in.status()), record, RecordSize}},
		{"read", []uint64{uint64(t.in.gate()), valueAddr + failureAt, 1}},
		{"close", []uint64{record + 4}},
	} {
		var err error
		if entries[n], err = t.call(c.name, c.args...); err != nil {
			return err
		}
	}
	load, write, read, shut := entries[0], entries[1], entries[2], entries[3]
	for n := range s.Args {
		load.args[n] = t.arg(&s.Args[n])
	}
	load.result, read.result = record+4, valueAddress(0)
	shut.bits = 1           // the descriptor is a value
	shut.accept[0] = 0xffff // the agent decides, and execve closes it, too
	for _, e := range []entry{load, write, read, t.check(valueAddress(0), ^uint64(0), 1, unix.ECANCELED), shut} {
		t.add(i, e)
	}
	return nil
}

// arg returns an argument as the code finds it.
func (t *table) arg(a *plan.Arg) uint64 {
	switch a.Kind {
	case plan.Result, plan.Buffer:
		return t.address(plan.Value(a.Num)) + a.Offset
	case plan.Inherited:
		return uint64(t.in.files()) + a.Num
	case plan.String:
		return t.stringAddr(a.Str)
	case plan.Strings:
		return t.stringsAddr(a.List)
	case plan.Struct:
		b := a.Bytes
		if a.Offset > 0 {
			b = slices.Clone(b)
			binary.NativeEndian.PutUint64(b[a.Offset:], uint64(t.in.files())+a.Num)
		}
		return t.bytesAddr(b)
	case plan.Filter:
		return t.filterAddr()
	case plan.Ending:
		return t.ending()
	case plan.FirstFD:
		return uint64(t.in.FirstFD) + a.Num
	case plan.DeathSignal:
		return uint64(t.in.DeathSignal)
	}
	return a.Num
}

// ending is the address of a struct sigaction whose handler is the code at its end. It does not
// return, so there is nothing to restore, but without SA_RESTORER amd64 calls no handler.
func (t *table) ending() uint64 {
	if t.endingAt == 0 {
		const saRestorer = 0x04000000
		var b []byte
		for _, n := range []uint64{codeStart, saRestorer, codeStart, 0} {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
		t.endingAt = t.bytesAddr(b)
	}
	return t.endingAt
}

func (t *table) stringAddr(s string) uint64 {
	if addr, ok := t.strings[s]; ok {
		return addr
	}
	addr := t.dataAddr + uint64(len(t.data))
	t.data = append(append(t.data, s...), 0)
	t.strings[s] = addr
	return addr
}

func (t *table) stringsAddr(list []string) uint64 {
	pointers := make([]byte, 0, 8*len(list)+8)
	for _, s := range list {
		pointers = binary.LittleEndian.AppendUint64(pointers, t.stringAddr(s))
	}
	return t.bytesAddr(binary.LittleEndian.AppendUint64(pointers, 0))
}

func (t *table) bytesAddr(b []byte) uint64 {
	t.align()
	addr := t.dataAddr + uint64(len(t.data))
	t.data = append(t.data, b...)
	return addr
}

// filterAddr lays down struct sock_fprog: a length and the address of it.
func (t *table) filterAddr() uint64 {
	t.align()
	code := t.dataAddr + uint64(len(t.data))
	for _, f := range t.in.Filter {
		t.data = binary.LittleEndian.AppendUint16(t.data, f.Code)
		t.data = append(t.data, f.Jt, f.Jf)
		t.data = binary.LittleEndian.AppendUint32(t.data, f.K)
	}
	prog := binary.LittleEndian.AppendUint64(nil, uint64(len(t.in.Filter)))
	return t.bytesAddr(binary.LittleEndian.AppendUint64(prog, code))
}

func (t *table) align() {
	for len(t.data)%8 != 0 {
		t.data = append(t.data, 0)
	}
}

// bytes returns the segment.
func (t *table) bytes() []byte {
	out := make([]byte, 0, len(t.entries)*entrySize+len(t.data))
	le := binary.LittleEndian
	for i := range t.entries {
		e := &t.entries[i]
		out = le.AppendUint32(out, e.nr)
		out = le.AppendUint32(out, e.bits)
		for _, a := range e.args {
			out = le.AppendUint64(out, a)
		}
		out = le.AppendUint64(out, e.result)
		for _, a := range e.accept {
			out = le.AppendUint16(out, a)
		}
		out = le.AppendUint32(out, e.ok)
		out = le.AppendUint32(out, e.err)
	}
	return append(out, t.data...)
}
