package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"cove/engine"
	"cove/engine/api/fan"
	"cove/engine/api/hijack"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	engines "cove/engine/containers"
	"cove/errdefs"
)

// visitor is a client that looks at a container's streams. All but keys is there when
// ready is closed.
type visitor struct {
	stream         *hijack.Stream
	stdin          bool
	stdout, stderr io.Writer // nil is not wanted
	keys           []byte
	ready          chan struct{}
	gone           chan struct{} // closed when there is nothing more for it
	once           sync.Once
}

func newVisitor(keys []byte) *visitor {
	return &visitor{keys: keys, ready: make(chan struct{}), gone: make(chan struct{})}
}

func (v *visitor) leave() { v.once.Do(func() { close(v.gone) }) }

// listen has a visitor hear, on its connection, what its request asks for.
func (v *visitor) listen(stream *hijack.Stream, q url.Values, stdin bool) {
	v.stream, v.stdin = stream, stdin && wire.Bool(q, "stdin")
	if wire.Bool(q, "stdout") {
		v.stdout = stream.Stdout()
	}
	if wire.Bool(q, "stderr") {
		v.stderr = stream.Stderr()
	}
	if !v.stdin {
		stream.Watch()
	}
	close(v.ready)
}

// listening are those who have not left before they could listen.
func listening(all []*visitor) []*visitor {
	return slices.DeleteFunc(all, func(v *visitor) bool {
		select {
		case <-v.ready:
			return false
		case <-v.gone:
			return true
		}
	})
}

func (v *visitor) streams() engines.Streams {
	s := engines.Streams{Stdout: v.stdout, Stderr: v.stderr, DetachKeys: v.keys}
	if v.stdin {
		s.Stdin = v.stream
	}
	return s
}

// lobby has those who came before their containers started: a client attaches first,
// so that it misses nothing, and starts then. It knows those who look at one, too.
type lobby struct {
	mu      sync.Mutex
	waiting map[string][]*visitor
	looking map[string]map[*visitor]bool
}

// begin has a visitor among those who look at a container, until end.
func (l *lobby) begin(id string, v *visitor) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seat(id, v)
}

// admit is takeOne, and begin at the same moment, so that whoever waits for the end of a container
// misses nobody.
func (l *lobby) admit(id string, v *visitor) (end func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.remove(id, v) {
		return nil, false
	}
	return l.seat(id, v), true
}

// seat is begin, for who holds the lock.
func (l *lobby) seat(id string, v *visitor) (end func()) {
	if l.looking == nil {
		l.looking = map[string]map[*visitor]bool{}
	}
	if l.looking[id] == nil {
		l.looking[id] = map[*visitor]bool{}
	}
	l.looking[id][v] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if delete(l.looking[id], v); len(l.looking[id]) == 0 {
			delete(l.looking, id)
		}
	}
}

// drain waits until those who look at a container that has ended have all that it said, or
// for so long: one may read nothing.
func (l *lobby) drain(ctx context.Context, id string, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	l.mu.Lock()
	all := slices.Collect(maps.Keys(l.looking[id]))
	l.mu.Unlock()
	for _, v := range all {
		select {
		case <-v.gone:
		case <-ctx.Done():
			return
		}
	}
}

func (l *lobby) enter(id string, v *visitor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = map[string][]*visitor{}
	}
	l.waiting[id] = append(l.waiting[id], v)
}

// take takes all who wait for a container.
func (l *lobby) take(id string) []*visitor {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.waiting[id]
	delete(l.waiting, id)
	return all
}

// takeOne takes one, if nobody took it yet.
func (l *lobby) takeOne(id string, v *visitor) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.remove(id, v)
}

// remove is takeOne, for who holds the lock.
func (l *lobby) remove(id string, v *visitor) bool {
	for i, w := range l.waiting[id] {
		if w == v {
			if l.waiting[id] = append(l.waiting[id][:i:i], l.waiting[id][i+1:]...); len(l.waiting[id]) == 0 {
				delete(l.waiting, id)
			}
			return true
		}
	}
	return false
}

// attach looks at a container over the connection of the request, which is taken over.
func (a *API) attach(w http.ResponseWriter, r *route.Request) error {
	err := a.attachBy(r, func(tty bool, use func(*hijack.Stream)) error {
		stream, err := hijack.Take(w, r, tty)
		if err != nil {
			return err
		}
		defer stream.Close()
		use(stream)
		return nil
	})
	if err != nil && !errors.Is(err, wire.ErrCut) {
		wire.WriteTextError(w, err)
	}
	return nil
}

// attachSocket does over a websocket, as browsers can: output and errors are one there.
func (a *API) attachSocket(w http.ResponseWriter, r *route.Request) error {
	return a.attachBy(r, func(_ bool, use func(*hijack.Stream)) error { return hijack.Socket(w, r, use) })
}

// taker takes a connection over, and has it used.
type taker func(tty bool, use func(*hijack.Stream)) error

func (a *API) attachBy(r *route.Request, take taker) error {
	told, err := a.engine.InspectContainer(r.Context(), r.Param("id"))
	switch {
	case err != nil:
		return err
	case told.State.Paused:
		return errdefs.Errorf(errdefs.ErrConflict, "container %s is paused, unpause the container before attach",
			told.ID)
	}
	q := r.URL.Query()
	keys, err := hijack.DetachKeys(q, told.Config.Tty)
	if err != nil {
		return err
	}
	if !wire.Bool(q, "stream") {
		return take(told.Config.Tty, func(stream *hijack.Stream) {
			if wire.Bool(q, "logs") {
				a.replay(r, told.ID, stream)
			}
		})
	}
	// Before the answer: with it a client starts the container, and is to miss nothing.
	v := newVisitor(keys)
	happens, err := a.enter(told.ID, v)
	if err != nil {
		return err
	}
	defer happens.Close()
	err = take(told.Config.Tty, func(stream *hijack.Stream) {
		if wire.Bool(q, "logs") {
			a.replay(r, told.ID, stream)
		}
		v.listen(stream, q, told.Config.OpenStdin)
		a.visit(told.ID, v, happens)
	})
	if err != nil {
		a.lobby.takeOne(told.ID, v)
		v.leave()
	}
	return err
}

// replay writes what was recorded so far.
func (a *API) replay(r *route.Request, id string, stream *hijack.Stream) {
	err := a.engine.Logs(r.Context(), id, engines.LogOptions{All: true}, stream.Stdout(), stream.Stderr())
	if err != nil {
		fmt.Fprintln(stream.Stderr(), wire.Text(err)) // the answer has begun
	}
}

// enter has a visitor wait for a container, and returns what happens to it from now on.
func (a *API) enter(id string, v *visitor) (*engine.EventStream, error) {
	happens, err := a.engine.Events(engine.EventOptions{Filter: map[string][]string{
		"container": {id}, "event": {"start", "destroy"},
	}})
	if err == nil {
		a.lobby.enter(id, v)
	}
	return happens, err
}

// visit has one who waits look at a container until it ends: at once if it runs, or
// else from its next start on.
func (a *API) visit(id string, v *visitor, happens *engine.EventStream) {
	ctx, cancel := context.WithCancel(a.life)
	defer cancel()
	if told, err := a.engine.InspectContainer(ctx, id); err != nil || told.State.Running {
		if end, ok := a.lobby.admit(id, v); ok {
			defer end()
			a.look(ctx, id, v)
			return
		}
	}
	started := make(chan bool, 1)
	go func() {
		e, err := happens.Next(ctx)
		started <- err == nil && e.Action == "start"
	}()
	waits, arrived := context.WithCancel(ctx)
	defer arrived()
	select {
	case runs := <-started: // by somebody else, perhaps, who knows of nobody here
		if end, ok := a.lobby.admit(id, v); ok {
			defer end()
			if arrived(); runs {
				a.look(ctx, id, v)
			}
			return
		}
	case <-v.abandons(waits):
		if a.lobby.takeOne(id, v) {
			return // it did not wait for the start
		}
	case <-v.gone:
	}
	arrived()
	<-v.gone
}

// abandons tells that a client has gone that waits for a start.
func (v *visitor) abandons(waits context.Context) <-chan struct{} {
	if !v.stdin {
		return v.stream.Hangup().Done()
	}
	gone := make(chan struct{})
	go func() { // nobody reads what it types yet, so that nobody sees its end
		tick := time.NewTicker(poll)
		defer tick.Stop()
		for !v.stream.Abandoned() {
			select {
			case <-waits.Done():
				return
			case <-tick.C:
			}
		}
		close(gone)
	}()
	return gone
}

// look is a session of one alone.
func (a *API) look(ctx context.Context, id string, v *visitor) {
	defer v.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(v.stream.Hangup(), cancel)()
	_, err := a.engine.Attach(ctx, id, engines.AttachOptions{
		Streams: func(engines.Attached) (engines.Streams, error) { return v.streams(), nil },
	})
	a.tell(v, err)
}

// tell says why a session ended, if somebody is left to hear it.
func (a *API) tell(v *visitor, err error) {
	if err != nil && !errors.Is(err, engines.ErrDetached) && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(v.stream.Stderr(), wire.Text(err))
	}
}

// start starts a container, attached for those who wait for it.
func (a *API) start(w http.ResponseWriter, r *route.Request) error {
	const nothing = len("{}     ") // what some clients send that mean nothing by it
	if r.ContentLength > int64(nothing) || r.ContentLength < 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "starting container with non-empty request body was deprecated "+
			"since API v1.22 and removed in v1.24")
	}
	told, err := a.engine.InspectContainer(r.Context(), r.Param("id"))
	switch {
	case err != nil:
		return err
	case told.State.Paused:
		return errdefs.Errorf(errdefs.ErrConflict, "cannot start a paused container, try unpause instead")
	case told.State.Running && !told.State.Restarting:
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if all := listening(a.lobby.take(told.ID)); len(all) > 0 {
		err = a.startFor(told.ID, all)
	} else {
		err = a.engine.Start(r.Context(), told.ID)
	}
	if err != nil && told.HostConfig.AutoRemove {
		// Nobody else removes what never ran.
		err = errors.Join(err, ignoreGone(a.engine.Remove(context.WithoutCancel(r.Context()), told.ID, true, true)))
	}
	return hijack.StartError(done(w, err))
}

func ignoreGone(err error) error {
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

// startFor starts a container with one session for all who wait for it; it returns
// when the container runs.
func (a *API) startFor(id string, all []*visitor) error {
	ctx, cancel := context.WithCancel(a.life)
	started := make(chan error, 1)
	run := func(streams func() engines.Streams) error {
		_, err := a.engine.Attach(ctx, id, engines.AttachOptions{
			Start: true,
			Streams: func(engines.Attached) (engines.Streams, error) {
				started <- nil
				return streams(), nil
			},
		})
		select {
		case started <- err:
		default:
		}
		return err
	}
	for _, v := range all {
		end := a.lobby.begin(id, v)
		context.AfterFunc(ctx, end)
	}
	go func() {
		defer cancel()
		if len(all) == 1 {
			defer all[0].leave()
			defer context.AfterFunc(all[0].stream.Hangup(), cancel)()
			a.tell(all[0], run(all[0].streams))
			return
		}
		a.share(ctx, cancel, id, all, run)
	}()
	return <-started
}

// patience is how long others wait for one that reads nothing; see fan.New.
const patience = 10 * time.Second

// share has several look at one session. Each that types has a session of its own for
// that, so that none ends with the input of another.
func (a *API) share(
	ctx context.Context, cancel context.CancelFunc, id string, all []*visitor, run func(func() engines.Streams) error,
) {
	f := fan.New(patience)
	members := make([]*fan.Member, len(all))
	for i, v := range all {
		members[i] = f.Add(v.stdout, v.stderr, v.stream.Cut)
		defer context.AfterFunc(v.stream.Hangup(), members[i].Leave)()
	}
	var seen sync.WaitGroup
	for i, v := range all {
		seen.Go(func() {
			<-members[i].Gone()
			v.leave()
		})
	}
	go func() {
		<-f.Empty()
		cancel()
	}()
	_ = run(func() engines.Streams { // who started it is told; who looks sees that it ended
		for i, v := range all {
			if v.stdin {
				go a.types(ctx, id, v, members[i])
			}
		}
		return engines.Streams{Stdout: f.Stdout(), Stderr: f.Stderr()}
	})
	f.Finish()
	seen.Wait()
}

// types is the session of the input of one of several. One that detaches leaves.
func (a *API) types(ctx context.Context, id string, v *visitor, m *fan.Member) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-m.Gone():
			cancel()
		case <-ctx.Done():
		}
	}()
	_, err := a.engine.Attach(ctx, id, engines.AttachOptions{
		Streams: func(engines.Attached) (engines.Streams, error) {
			return engines.Streams{Stdin: v.stream, DetachKeys: v.keys}, nil
		},
	})
	if errors.Is(err, engines.ErrDetached) {
		m.Leave()
	}
}

func (a *API) resize(w http.ResponseWriter, r *route.Request) error {
	size, err := hijack.Size(r.URL.Query())
	if err != nil {
		return err
	}
	return a.engine.Resize(r.Context(), r.Param("id"), size)
}
