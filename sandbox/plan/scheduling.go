package plan

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/numset"
)

// schedule says how the kernel treats the process: which processors, when, and
// with which memory. It comes while privileges are there, and before a filter
// that may forbid it.
func (b *builder) schedule(l *specs.Linux, proc *specs.Process) error {
	if err := b.scheduler(l, proc.Scheduler); err != nil {
		return err
	}
	if err := b.ioPriority(proc.IOPriority); err != nil {
		return err
	}
	if err := b.memoryPolicy(l.MemoryPolicy); err != nil {
		return err
	}
	if p := l.Personality; p != nil {
		domain := map[specs.LinuxPersonalityDomain]int{specs.PerLinux: 0, specs.PerLinux32: 8}[p.Domain]
		b.why = "personality " + string(p.Domain)
		b.call("personality", num(domain))
	}
	return nil
}

// policies are the numbers of sched(7).
var policies = map[specs.LinuxSchedulerPolicy]uint32{
	specs.SchedOther: 0, specs.SchedFIFO: 1, specs.SchedRR: 2, specs.SchedBatch: 3,
	specs.SchedISO: 4, specs.SchedIdle: 5, specs.SchedDeadline: 6,
}

// schedulerFlags are those of sched_setattr(2).
var schedulerFlags = map[specs.LinuxSchedulerFlag]uint64{
	specs.SchedFlagResetOnFork: 0x01, specs.SchedFlagReclaim: 0x02, specs.SchedFlagDLOverrun: 0x04,
	specs.SchedFlagKeepPolicy: 0x08, specs.SchedFlagKeepParams: 0x10,
	specs.SchedFlagUtilClampMin: 0x20, specs.SchedFlagUtilClampMax: 0x40,
}

// scheduler sets policy and priority. A policy may end with a fork, or forbid it: a process
// that is still to be forked gets them from the parent.
func (b *builder) scheduler(l *specs.Linux, s *specs.Scheduler) error {
	if s == nil {
		return nil
	}
	policy, ok := policies[s.Policy]
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: process.scheduler.policy %q: no such policy", s.Policy)
	}
	attr := unix.SchedAttr{
		Size: schedAttrSize, Policy: policy, Nice: s.Nice, Priority: uint32(s.Priority),
		Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period,
	}
	for _, f := range s.Flags {
		bit, ok := schedulerFlags[f]
		if !ok {
			return errdefs.Errorf(errdefs.ErrInvalid, "plan: process.scheduler.flags %q: no such flag", f)
		}
		attr.Flags |= bit
	}
	b.why = "scheduler"
	if s.Policy == specs.SchedDeadline && l.Resources != nil && l.Resources.CPU != nil && l.Resources.CPU.Cpus != "" {
		// Of which the kernel says no more than EPERM.
		b.why = "scheduler: for this policy, process scheduler can't be used together with AllowedCPUs " +
			l.Resources.CPU.Cpus
	}
	if b.pidNS >= 0 {
		b.Scheduler, b.SchedulerWhy = &attr, b.why
		return nil
	}
	text := fmt.Sprintf("{%s, flags=%#x, nice=%d, priority=%d}", s.Policy, attr.Flags, s.Nice, s.Priority)
	b.call("sched_setattr", num(0), raw(schedAttr(attr), text), num(0))
	return nil
}

// schedAttrSize is that of struct sched_attr, version 0.
const schedAttrSize = 48

func schedAttr(a unix.SchedAttr) []byte {
	out := binary.NativeEndian.AppendUint32(nil, a.Size)
	out = binary.NativeEndian.AppendUint32(out, a.Policy)
	out = binary.NativeEndian.AppendUint64(out, a.Flags)
	out = binary.NativeEndian.AppendUint32(out, uint32(a.Nice))
	out = binary.NativeEndian.AppendUint32(out, a.Priority)
	for _, n := range []uint64{a.Runtime, a.Deadline, a.Period} {
		out = binary.NativeEndian.AppendUint64(out, n)
	}
	return out
}

func (b *builder) ioPriority(p *specs.LinuxIOPriority) error {
	if p == nil {
		return nil
	}
	class, ok := map[specs.IOPriorityClass]int{
		specs.IOPRIO_CLASS_RT: 1, specs.IOPRIO_CLASS_BE: 2, specs.IOPRIO_CLASS_IDLE: 3,
	}[p.Class]
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"plan: process.ioPriority.class %q: want IOPRIO_CLASS_RT, _BE or _IDLE", p.Class)
	}
	if p.Priority < 0 || p.Priority > 7 {
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: process.ioPriority.priority %d: want 0 to 7", p.Priority)
	}
	b.why = "I/O priority"
	b.call("ioprio_set", num(1), num(0), num(class<<13|p.Priority)) // IOPRIO_WHO_PROCESS, IOPRIO_PRIO_VALUE
	return nil
}

// memoryModes and memoryFlags are those of set_mempolicy(2).
var (
	memoryModes = map[specs.MemoryPolicyModeType]int{
		specs.MpolDefault: 0, specs.MpolPreferred: 1, specs.MpolBind: 2, specs.MpolInterleave: 3,
		specs.MpolLocal: 4, specs.MpolPreferredMany: 5, specs.MpolWeightedInterleave: 6,
	}
	memoryFlags = map[specs.MemoryPolicyFlagType]int{
		specs.MpolFNumaBalancing: 1 << 13, specs.MpolFRelativeNodes: 1 << 14, specs.MpolFStaticNodes: 1 << 15,
	}
)

func (b *builder) memoryPolicy(p *specs.LinuxMemoryPolicy) error {
	if p == nil {
		return nil
	}
	mode, ok := memoryModes[p.Mode]
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: linux.memoryPolicy.mode %q: invalid memory policy mode",
			p.Mode)
	}
	for _, f := range p.Flags {
		bit, ok := memoryFlags[f]
		if !ok {
			return errdefs.Errorf(errdefs.ErrInvalid, "plan: linux.memoryPolicy.flags %q: invalid memory policy flag",
				f)
		}
		mode |= bit
	}
	nodes, err := parseSet(p.Nodes)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: linux.memoryPolicy.nodes %q: invalid memory policy nodes: %v", p.Nodes, err)
	}
	if n := count(nodes); n > 0 && (p.Mode == specs.MpolDefault || p.Mode == specs.MpolLocal) {
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: linux.memoryPolicy.nodes %q: %s mode requires 0 nodes but got %d",
			p.Nodes, p.Mode, n)
	}
	b.why = "memory policy"
	if len(nodes) == 0 {
		b.call("set_mempolicy", num(mode), null(), num(0))
		return nil
	}
	// The kernel reads one bit less than it is told (set_mempolicy(2), "Bugs").
	b.call("set_mempolicy", num(mode), raw(nodes, "{"+p.Nodes+"}"), num(8*len(nodes)+1))
	return nil
}

func count(set []byte) (n int) {
	for _, b := range set {
		n += bits.OnesCount8(b)
	}
	return n
}

// affinity runs the process on a list of processors.
func (b *builder) affinity(cpus string, accept ...unix.Errno) error {
	if cpus == "" {
		return nil
	}
	set, err := parseSet(cpus)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: process.execCPUAffinity %q: %v", cpus, err)
	}
	b.why = "CPU affinity"
	b.call("sched_setaffinity", num(0), num(len(set)), raw(set, "{"+cpus+"}")).Accept = accept
	return nil
}

// everyProcessor lets the process run on all that its group has. It would have those of
// whoever started it, which a container does not ask for.
func (b *builder) everyProcessor() {
	b.why = "CPU affinity"
	set := bytes.Repeat([]byte{0xff}, mostProcessors/8)
	s := b.call("sched_setaffinity", num(0), num(len(set)), raw(set, "{all}"))
	s.Accept = []unix.Errno{unix.EPERM, unix.EINVAL, unix.ENOSYS} // as under a filter: it stays as it is
}

// mostProcessors is NR_CPUS of the largest kernels.
const mostProcessors = 8192

// parseSet reads a list as 0-3,7 to the kernel's bits, in whole words.
func parseSet(list string) ([]byte, error) {
	words, err := numset.Parse(list)
	var out []byte
	for _, w := range words {
		out = binary.NativeEndian.AppendUint64(out, w)
	}
	return out, err
}

// timeNamespace makes a time namespace and enters it. Its clocks can be set
// only before anyone is in it.
func (b *builder) timeNamespace(offsets map[string]specs.LinuxTimeOffset) {
	b.why = "make time namespace"
	b.call("unshare", flags(uint64(unix.CLONE_NEWTIME), cloneFlags))
	for _, clock := range []string{"monotonic", "boottime"} {
		if o, ok := offsets[clock]; ok {
			b.why = "offset of the clock " + clock
			b.writeHost("/proc/self/timens_offsets", fmt.Sprintf("%s %d %d\n", clock, o.Secs, o.Nanosecs))
		}
	}
	b.why = "enter time namespace"
	ns, _ := b.get("openat", cwdFD(), str("/proc/self/ns/time_for_children"), flags(unix.O_CLOEXEC, openFlags))
	b.call("setns", ns.arg(), flags(uint64(unix.CLONE_NEWTIME), cloneFlags))
	b.close(ns)
}

// MemoryPolicies are the names that a spec may use, for what a runtime says of
// itself (features-linux.md, "MemoryPolicy").
func MemoryPolicies() (modes, flags []string) {
	for name := range memoryModes {
		modes = append(modes, string(name))
	}
	for name := range memoryFlags {
		flags = append(flags, string(name))
	}
	slices.Sort(modes)
	slices.Sort(flags)
	return modes, flags
}
