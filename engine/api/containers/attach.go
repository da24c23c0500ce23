package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"cove/engine"
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
// so that it misses nothing, and starts then.
type lobby struct {
	mu      sync.Mutex
	waiting map[string][]*visitor
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
	return a.attachBy(r, func(tty bool, use func(*hijack.Stream)) error {
		stream, err := hijack.Take(w, r, tty)
		if err != nil {
			return err
		}
		defer stream.Close()
		use(stream)
		return nil
	})
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
		if a.lobby.takeOne(id, v) {
			a.look(ctx, id, v)
			return
		}
	}
	started := make(chan bool, 1)
	go func() {
		e, err := happens.Next(ctx)
		started <- err == nil && e.Action == "start"
	}()
	select {
	case runs := <-started: // by somebody else, perhaps, who knows of nobody here
		if a.lobby.takeOne(id, v) {
			if runs {
				a.look(ctx, id, v)
			}
			return
		}
		<-v.gone
	case <-v.gone:
	}
}

// look is a session of one alone.
func (a *API) look(ctx context.Context, id string, v *visitor) {
	defer v.leave()
	_, err := a.engine.Attach(ctx, id, engines.AttachOptions{
		Streams: func(engines.Attached) (engines.Streams, error) { return v.streams(), nil },
	})
	a.tell(v, err)
}

// tell says why a session ended, if somebody is left to hear it.
func (a *API) tell(v *visitor, err error) {
	if err != nil && !errors.Is(err, engines.ErrDetached) && !errors.Is(err, context.Canceled) && !isGone(err) {
		fmt.Fprintln(v.stream.Stderr(), wire.Text(err))
	}
}

// start starts a container, attached for those who wait for it.
func (a *API) start(w http.ResponseWriter, r *route.Request) error {
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
	started := make(chan error, 1)
	go func() {
		defer func() {
			for _, v := range all {
				v.leave()
			}
		}()
		out := newFan(all)
		_, err := a.engine.Attach(a.life, id, engines.AttachOptions{
			Start: true,
			Streams: func(engines.Attached) (engines.Streams, error) {
				a.more(id, all, out.owner)
				started <- nil
				return out.streams(), nil
			},
		})
		select {
		case started <- err:
		default:
		}
		if errors.Is(err, engines.ErrDetached) {
			a.goOn(id, all, out.owner)
		}
	}()
	return <-started
}

// more are the sessions of those whose input is not that of the first.
func (a *API) more(id string, all []*visitor, owner *visitor) {
	for _, v := range all {
		if v.stdin && v != owner {
			go func() {
				_, _ = a.engine.Attach(a.life, id, engines.AttachOptions{ // the session of outputs tells
					Streams: func(engines.Attached) (engines.Streams, error) {
						return engines.Streams{Stdin: v.stream, DetachKeys: v.keys}, nil
					},
				})
			}()
		}
	}
}

// goOn is for those who stay when the one left that had the session.
func (a *API) goOn(id string, all []*visitor, left *visitor) {
	left.leave()
	var stay sync.WaitGroup
	for _, v := range all {
		if v != left {
			v.stdin = false // it has a session of its own
			stay.Go(func() { a.look(a.life, id, v) })
		}
	}
	stay.Wait()
}

// fan writes what a container prints to several. Who is gone is left out; when all
// are, the session ends.
type fan struct {
	owner *visitor // whose input the container reads
	all   []*visitor
	mu    sync.Mutex
	gone  map[*visitor]bool
}

func newFan(all []*visitor) *fan {
	f := &fan{all: all, gone: map[*visitor]bool{}}
	for _, v := range all {
		if v.stdin {
			f.owner = v
			break
		}
	}
	return f
}

func (f *fan) streams() engines.Streams {
	s := engines.Streams{
		Stdout: fanOf{f, func(v *visitor) io.Writer { return v.stdout }},
		Stderr: fanOf{f, func(v *visitor) io.Writer { return v.stderr }},
	}
	if f.owner != nil {
		s.Stdin, s.DetachKeys = f.owner.stream, f.owner.keys
	}
	return s
}

type fanOf struct {
	f  *fan
	of func(*visitor) io.Writer
}

var errAllGone = errors.New("all who looked are gone")

func isGone(err error) bool { return errors.Is(err, errAllGone) }

func (o fanOf) Write(p []byte) (int, error) {
	o.f.mu.Lock()
	defer o.f.mu.Unlock()
	for _, v := range o.f.all {
		w := o.of(v)
		if w == nil || o.f.gone[v] {
			continue
		}
		if _, err := w.Write(p); err != nil {
			o.f.gone[v] = true
			v.leave()
		}
	}
	if len(o.f.gone) == len(o.f.all) {
		return 0, errAllGone
	}
	return len(p), nil
}

func (a *API) resize(w http.ResponseWriter, r *route.Request) error {
	size, err := hijack.Size(r.URL.Query())
	if err != nil {
		return err
	}
	return a.engine.Resize(r.Context(), r.Param("id"), size)
}
