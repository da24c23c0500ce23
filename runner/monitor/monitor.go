// Package monitor is the parent of one container: it starts it, keeps its log,
// serves those who attach and exec, records how it ended and cleans up. It is
// cove-runtime, started by whoever starts a container, and does not depend on that
// process any more when the container runs.
//
// The container dies with its monitor (the sandbox sees to that), and the
// monitor holds the record's "monitor" lock for its life: a free lock beside a
// state that says running is how others learn that it was killed.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/events"
	"cove/internal/ids"
	"cove/internal/leanjson"
	"cove/internal/timeline"
	"cove/network"
	"cove/network/resolve"
	"cove/runner/attach"
	"cove/runner/links"
	"cove/runner/logs"
	"cove/runner/monitor/shortage"
	"cove/runner/record"
	"cove/runner/restart"
	"cove/runner/signals"
	"cove/runner/sources"
	"cove/runner/task"
	"cove/runner/told"
	"cove/sandbox/seccomp"
)

// Options say which container.
type Options struct {
	Dir record.Dir
	// Run is the directory of sockets.
	Run string
	// First is the inherited socket of whoever starts the container.
	First *os.File
}

// monitor is the state of one.
type monitor struct {
	o         Options
	cfg       record.Config
	hub       *hub
	task      *task.Task
	first     *client
	phases    *timeline.Recorder // nil unless the first client asked for them
	state     record.State       // under stateLock while the container runs
	listen    *net.UnixListener
	pumps     sync.WaitGroup
	execs     sync.WaitGroup
	hello     attach.Hello
	started   bool // under hub.mu, as ending
	ending    bool
	stateLock sync.Mutex
	oom       *shortage.Watch
	// endHealth ends the checks; restart says that one of them had the container
	// ended for it to be started again.
	endHealth context.CancelFunc
	restart   atomic.Bool
	// again is the restart lock, when the policy starts the container again.
	again *os.File
}

// Run starts the container and returns when it has ended and everything is
// cleaned up. A container that could not start is no error here: whoever
// started it was told. again is the restart lock, held, when the container is to be
// started again, and nil else.
func Run(ctx context.Context, o Options) (again *os.File, err error) {
	m := &monitor{o: o, hub: &hub{dir: o.Dir, clients: map[*client]struct{}{}}}
	m.hub.told = m.told
	err = m.run(ctx)
	return m.again, err
}

func (m *monitor) run(ctx context.Context) error {
	conn, err := attach.FromFile(m.o.First)
	if err != nil {
		return err
	}
	if err := m.greet(conn); err != nil {
		return err
	}
	if m.hello.Timeline {
		m.phases = timeline.New("monitor", "come up, and wait to be asked")
		ctx = timeline.With(ctx, m.phases)
	}
	read := timeline.Begin(ctx, "read the record")
	lock, err := m.o.Dir.Lock(ctx, record.MonitorLock, lockPatience)
	if err != nil {
		return m.refuse(err)
	}
	unlock := sync.OnceFunc(func() { record.Unlock(lock) })
	defer unlock()
	if m.cfg, err = m.o.Dir.Config(); err != nil {
		return m.refuse(err)
	}
	if old, err := m.o.Dir.State(); err == nil && old.Status == record.Restarting {
		m.state.Restarts, m.state.Backoff = old.Restarts, old.Backoff
	}
	m.ignoreSignals()
	read()
	if err := m.start(ctx); err != nil {
		return m.failed(ctx, err)
	}
	return m.finish(ctx, unlock)
}

// lockPatience is how long a predecessor may take to clean up.
const lockPatience = time.Minute

// greet reads what the first client wants.
func (m *monitor) greet(conn *attach.Conn) error {
	p, err := conn.Receive(false)
	if err != nil {
		return err
	}
	if p.Type != attach.TypeHello || leanjson.Unmarshal(p.Data, &m.hello) != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "monitor: first packet is no hello")
	}
	m.first = newClient(conn, m.hello, string(m.o.Dir))
	return nil
}

// refuse tells the first client what went wrong before anything was touched.
func (m *monitor) refuse(err error) error {
	m.first.finish(attach.TypeFailed, record.StartError{Code: 125, Msg: err.Error(), Kind: record.KindOf(err)})
	return err
}

// ignoreSignals keeps a terminal's signals away; SIGTERM, as a shutdown sends
// it to everyone, asks the container to stop.
func (m *monitor) ignoreSignals() {
	// Caught and dropped, not ignored: execve keeps what is ignored, and then
	// no shell in the container could trap it. That holds for what whoever
	// started this process ignored, too.
	drop := make(chan os.Signal, 1)
	signal.Notify(drop, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE)
	for sig := unix.Signal(1); sig < 65; sig++ {
		if signal.Ignored(sig) {
			signal.Notify(drop, sig)
		}
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, unix.SIGTERM)
	go func() {
		for range term {
			m.hub.mu.Lock()
			running := m.started
			m.hub.mu.Unlock()
			if running {
				_ = m.task.Process.Signal(m.stopSignal()) // fails if it has ended
			}
		}
	}()
}

// filters keeps compiled seccomp filters for all containers of the root.
func (m *monitor) filters() seccomp.Cache {
	return seccomp.Cache{Dir: filepath.Join(m.o.Dir.Root(), "seccomp")}
}

func (m *monitor) stopSignal() syscall.Signal {
	if sig, err := signals.Parse(m.cfg.StopSignal); err == nil {
		return sig
	}
	return unix.SIGTERM
}

func (m *monitor) start(ctx context.Context) (err error) {
	prepare := timeline.Begin(ctx, "make streams, find what is joined")
	std, err := m.streams()
	defer std.close()
	if err != nil {
		return err
	}
	peer, joined, err := m.peers()
	if err != nil {
		return err
	}
	var initPath string
	if m.cfg.Init {
		if initPath, err = os.Executable(); err != nil {
			return fmt.Errorf("runner: finding the init of the container: %w", err)
		}
	}
	asked, err := m.o.Dir.AskedNetwork(m.cfg)
	if err != nil {
		return err
	}
	linked, err := links.Find(m.o.Dir.Root(), asked)
	if err != nil {
		return err
	}
	asked.ExtraHosts = append(links.Hosts(linked), asked.ExtraHosts...)
	m.cfg.Spec.Process.Env = append(links.Env(asked.Name, linked), m.cfg.Spec.Process.Env...)
	taken, err := sources.Take(ctx, m.o.Dir, m.cfg)
	if err != nil {
		return err
	}
	defer taken.Close()
	prepare()
	m.cfg.Spec.Process.Terminal = m.cfg.Terminal
	m.task, err = task.Create(ctx, task.Request{
		ID: m.cfg.ID, Spec: m.cfg.Spec, Root: m.cfg.Root, Stacks: taken.Stacks,
		Network: network.Open(m.o.Dir.Root()).Answering(resolve.Serve),
		Net:     asked, Peer: peer, Joined: joined, Init: initPath,
		Files: string(m.o.Dir), PeerFiles: m.peerFiles(), Filters: m.filters(),
		Runtime: m.cfg.Runtime,
		Stdin:   std.in, Stdout: std.out, Stderr: std.err,
		Size: unix.Winsize{Row: m.hello.Rows, Col: m.hello.Cols},
	})
	if err != nil {
		return err
	}
	if err := m.begin(ctx); err != nil {
		return errors.Join(err, m.task.Close(context.WithoutCancel(ctx)))
	}
	// As long as this process is there, that is as the container.
	links.Follow(context.WithoutCancel(ctx), m.o.Dir.Root(), filepath.Join(string(m.o.Dir), "hosts"), linked)
	return nil
}

// begin serves and starts the created container.
func (m *monitor) begin(ctx context.Context) (err error) {
	if console := m.task.Process.Console(); console != nil {
		if m.hub.console, err = task.Pollable(console); err != nil {
			return err
		}
		m.pumps.Go(func() { m.hub.pump(attach.TypeStdout, m.hub.console) })
	}
	if m.listen, err = attach.Listen(m.o.Dir.Socket(m.o.Run)); err != nil {
		return err
	}
	if m.first.output {
		m.hub.add(m.first)
	}
	run := timeline.Begin(ctx, "execute the program")
	if err := m.task.Start(); err != nil {
		return err
	}
	run()
	m.state = record.State{
		Status: record.Running, Pid: m.task.Process.Pid(), Monitor: os.Getpid(), StartedAt: time.Now().UTC(),
		Cgroup: m.task.Group.Path(), BootID: ids.Boot(), Network: m.task.Net.State,
		Restarts: m.state.Restarts, Backoff: m.state.Backoff,
	}
	if err := m.o.Dir.SetState(m.state, false); err != nil {
		return err
	}
	m.told().Started(m.state, m.first.output)
	m.oom = shortage.Begin(m.task.Group, m.outOfMemory)
	m.hub.mu.Lock()
	m.started = true
	m.hub.mu.Unlock()
	m.hub.memory.schedule() // a start needs much of the program that nobody needs after it
	if m.cfg.Health != nil {
		var ctx context.Context
		ctx, m.endHealth = context.WithCancel(context.Background())
		h := record.Health{Status: record.Starting}
		_ = m.o.Dir.SetHealth(h) // a full disk stops no container, and is told by the next
		go m.watchHealth(ctx, h)
	}
	started := attach.Started{Pid: m.state.Pid}
	if m.phases != nil {
		started.Phases = m.phases.Spans()
	}
	data, err := leanjson.Marshal(started)
	if err != nil {
		return fmt.Errorf("monitor: encoding: %w", err)
	}
	m.first.send(attach.TypeStarted, data)
	if m.first.output {
		go m.hub.serve(m.first)
	} else {
		m.first.close()
	}
	go m.accept()
	return nil
}

// streams makes the pipes and the log.
func (m *monitor) streams() (std stdio, err error) {
	if m.hub.log, err = logs.Open(m.o.Dir, m.cfg); err != nil {
		return std, err
	}
	if m.cfg.Terminal {
		return std, nil
	}
	var out, errs *os.File
	if out, std.out, err = task.Pipe(true); err != nil {
		return std, err
	}
	if errs, std.err, err = task.Pipe(true); err != nil {
		return std, err
	}
	m.pumps.Go(func() { defer out.Close(); m.hub.pump(attach.TypeStdout, out) })
	m.pumps.Go(func() { defer errs.Close(); m.hub.pump(attach.TypeStderr, errs) })
	if m.cfg.OpenStdin {
		m.hub.stays = m.cfg.StdinStays
		m.hub.stdin, std.in, err = task.Pipe(false)
	}
	return std, err
}

// peers finds the processes whose network, and whose other namespaces, are joined.
func (m *monitor) peers() (netPeer int, joined map[specs.LinuxNamespaceType]int, err error) {
	if id, ok := m.cfg.Network.Mode.Peer(); ok {
		if netPeer, err = m.peer("network", id); err != nil {
			return 0, nil, err
		}
	}
	if id, ok := m.cfg.Shared.IPC.Peer(); ok {
		if err := record.SharesIPC(m.o.Dir.Root(), id); err != nil {
			return 0, nil, err
		}
	}
	for typ, shared := range map[specs.LinuxNamespaceType]record.Sharing{
		specs.PIDNamespace: m.cfg.Shared.PID, specs.IPCNamespace: m.cfg.Shared.IPC,
		specs.UserNamespace: m.cfg.Shared.User,
	} {
		if id, ok := shared.Peer(); ok {
			if joined == nil {
				joined = map[specs.LinuxNamespaceType]int{}
			}
			if joined[typ], err = m.peer(strings.ToUpper(string(typ))+" namespace", id); err != nil {
				return 0, nil, err
			}
		}
	}
	return netPeer, joined, nil
}

// peerFiles is the directory of the container whose network is joined; "" without one.
func (m *monitor) peerFiles() string {
	if id, ok := m.cfg.Network.Mode.Peer(); ok {
		return string(record.Of(m.o.Dir.Root(), id))
	}
	return ""
}

func (m *monitor) peer(what, id string) (int, error) {
	st, err := record.Of(m.o.Dir.Root(), id).State()
	if err != nil {
		return 0, fmt.Errorf("failed to join %s: container %.12s: %w", what, id, err)
	}
	if !st.Alive() {
		return 0, errdefs.Errorf(errdefs.ErrConflict,
			"failed to join %s: container %s is not running; start it first", what, id)
	}
	return st.Pid, nil
}

// accept serves clients until the listener is closed.
func (m *monitor) accept() {
	for {
		u, err := m.listen.AcceptUnix()
		if err != nil {
			return
		}
		go m.welcome(attach.New(u))
	}
}

func (m *monitor) welcome(conn *attach.Conn) {
	p, err := conn.Receive(false)
	var h attach.Hello
	if err != nil || p.Type != attach.TypeHello || leanjson.Unmarshal(p.Data, &h) != nil {
		conn.Close()
		return
	}
	if conn.Send(attach.TypeWelcome, nil) != nil {
		conn.Close()
		return
	}
	if h.Kind == attach.Exec && h.Exec != nil {
		m.exec(conn, h, p.Files)
		return
	}
	for _, f := range p.Files {
		f.Close()
	}
	if h.Kind == attach.Publish {
		m.publish(conn, h)
		return
	}
	c := newClient(attach.New(conn.UnixConn), h, string(m.o.Dir))
	m.hub.add(c)
	if c.output {
		m.told().Tell(events.Attach)
	}
	m.hub.serve(c)
}

// failed records why the container did not start, and tells.
func (m *monitor) failed(ctx context.Context, err error) error {
	m.hub.closeStdin()
	m.pumps.Wait()
	start, ok := errors.AsType[*record.StartError](err)
	if !ok {
		start = &record.StartError{Code: 125, Msg: err.Error(), Kind: record.KindOf(err)}
	}
	m.state.Status, m.state.Pid, m.state.Monitor = record.Exited, 0, 0
	if old, err := m.o.Dir.State(); err == nil && m.state.StartedAt.IsZero() {
		m.state.StartedAt = old.StartedAt // of the life before, if it had one
	}
	if m.state.StartedAt.IsZero() {
		m.state.Status = record.Created
	}
	m.state.ExitCode, m.state.Error, m.state.FinishedAt = start.Code, start.Msg, time.Now().UTC()
	m.state.BootID = ids.Boot()
	m.closeSocket()
	serr := errors.Join(sources.Release(ctx, m.o.Dir.Root(), m.cfg), m.recordEnd(ctx, func(told.Teller) {}))
	m.first.finish(attach.TypeFailed, start)
	return errors.Join(m.hub.closeLog(), serr)
}

// finish waits for the end, cleans up, records the end and tells the clients, in
// this order, so that a client that was told finds everything cleaned up.
func (m *monitor) finish(ctx context.Context, unlock func()) error {
	status, err := m.task.Process.Wait(ctx)
	exit := record.ExitStatus{Code: status.ExitCode()}
	if err != nil {
		exit = record.ExitStatus{Code: 255, Error: err.Error()}
	}
	m.oom.End()
	exit.OOMKilled = m.state.OOMKilled
	m.hub.release()
	if !task.Has(m.task.Spec, specs.PIDNamespace) {
		// Processes that are left would keep the streams open. Close tries again.
		_ = m.task.Group.Kill(ctx)
	}
	if m.endHealth != nil {
		m.endHealth()
	}
	m.pumps.Wait()
	m.noMoreExecs()
	m.hub.closeStdin()
	errs := []error{m.hub.closeLog(), m.task.Unpublish(), m.task.DeleteGroup(ctx)}
	errs = append(errs, sources.Release(ctx, m.o.Dir.Root(), m.cfg))
	was := m.state
	m.state.Status, m.state.Pid, m.state.Monitor = record.Exited, 0, 0
	m.state.ExitCode, m.state.FinishedAt = exit.Code, time.Now().UTC()
	m.state.Network = network.State{}
	if err := errors.Join(errs...); err != nil && exit.Error == "" {
		exit.Error = err.Error()
	}
	m.state.Error = exit.Error
	errs = append(errs, m.decide(ctx))
	m.closeSocket()
	errs = append(errs, m.recordEnd(ctx, func(t told.Teller) { t.Ended(was, exit, m.state.FinishedAt) }))
	unlock()
	m.hub.end(exit)
	return errors.Join(append(errs, m.task.Close(ctx))...)
}

// outOfMemory records and tells that a process was killed for want of memory. On a full
// disk that it was is not recorded before the end.
func (m *monitor) outOfMemory(first bool) {
	m.stateLock.Lock()
	m.state.OOMKilled = true
	if first {
		_ = m.o.Dir.SetState(m.state, false) // as said above
	}
	m.stateLock.Unlock()
	m.told().Tell(events.OOM)
}

// decide asks the policy whether the container that has ended is started again. The
// lock comes before the state that says so: without it that state is not believed.
func (m *monitor) decide(ctx context.Context) error {
	if now, err := m.o.Dir.Config(); err == nil { // the policy may have been changed
		m.cfg.Restart = now.Restart
	}
	wait, again := restart.After(m.cfg.Restart, m.state, m.o.Dir.Marked(record.StopMark))
	if !again && (!m.restart.Load() || m.o.Dir.Marked(record.StopMark)) {
		return nil
	}
	lock, err := m.o.Dir.Lock(ctx, record.RestartLock, lockPatience)
	if err != nil {
		return err
	}
	m.again = lock
	m.state.Status, m.state.Backoff = record.Restarting, wait
	m.state.Restarts++
	return nil
}

func (m *monitor) closeSocket() {
	if m.listen != nil {
		m.listen.Close()
		os.Remove(m.o.Dir.Socket(m.o.Run))
	}
}

// recordEnd writes the last state, or removes everything for AutoRemove, unless the
// container is about to be started again, and has tell tell of the end when it can be
// seen.
func (m *monitor) recordEnd(ctx context.Context, tell func(told.Teller)) error {
	t := m.told()
	if !m.cfg.AutoRemove || m.state.Status == record.Created || m.o.Dir.Marked(record.KeepMark) {
		defer tell(t)
		return m.o.Dir.SetState(m.state, true)
	}
	if name, err := m.o.Dir.Name(); err == nil {
		t = told.Named(m.o.Dir, m.cfg, name)
	}
	tell(t)
	err := task.Discard(ctx, m.o.Dir, m.cfg)
	if err == nil {
		t.Tell(events.Destroy)
	}
	return err
}

func (m *monitor) told() told.Teller { return told.Of(m.o.Dir, m.cfg) }
