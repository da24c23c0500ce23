// Package execs answers docker's API about processes that are executed in containers.
package execs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"cove/engine"
	"cove/engine/api/create"
	"cove/engine/api/hijack"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	engines "cove/engine/containers"
	"cove/engine/dockertypes"
	"cove/errdefs"
)

// execution is one more process in a container, from when it is asked for. It is part
// of no state: who asks for one starts it over the same connection, or soon after.
type execution struct {
	id, container string
	labels        map[string]string
	options       engines.ExecOptions
	stdin         bool
	stdout        bool
	stderr        bool
	keys          string
	made          time.Time
	begun         string // when the life of the container began that it is of
	size          chan engines.Size

	mu      sync.Mutex
	started bool
	running bool
	pid     int // of the host, once it has run
	code    *int
}

// API answers for the execs in the containers of an engine. It has those that were made.
type API struct {
	engine *engine.Engine
	// life is that of the server: a process outlives the request that began it.
	life context.Context //nolint:containedctx // it is the server's, not a call's

	mu  sync.Mutex
	all map[string]*execution
}

// Of answers for the execs of an engine, until life ends.
func Of(life context.Context, e *engine.Engine) *API {
	return &API{engine: e, life: life, all: map[string]*execution{}}
}

// Routes are the rows of the table. labels are those of the container in a path.
func (a *API) Routes(labels func(context.Context, *route.Request) (map[string]string, error)) []route.Route {
	rows := []route.Route{{
		Method: "POST", Path: "/containers/{id}/exec", Needs: route.All, Handler: a.create, Labels: labels,
		Test: "docker exec",
	}}
	for _, r := range []route.Route{
		{Method: "POST", Path: "/start", Needs: route.All, Handler: a.start, Test: "docker exec"},
		{Method: "POST", Path: "/resize", Needs: route.All, Handler: a.resize, Test: "docker exec -it"},
		{Method: "GET", Path: "/json", Needs: route.Read, Handler: a.inspect, Test: "docker exec"},
	} {
		r.Path = "/exec/{id}" + r.Path
		r.Labels = a.labels
		rows = append(rows, r)
	}
	return rows
}

// Those that ended are forgotten when there are more, the oldest first.
const maxExecs = 1024

func (a *API) add(e *execution) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.all) >= maxExecs {
		oldest := ""
		for id, e := range a.all {
			if !e.isRunning() && (oldest == "" || e.made.Before(a.all[oldest].made)) {
				oldest = id
			}
		}
		if oldest == "" {
			return errdefs.Errorf(errdefs.ErrExhausted, "%d execs run already", len(a.all))
		}
		delete(a.all, oldest)
	}
	a.all[e.id] = e
	return nil
}

func (a *API) get(id string) (*execution, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e, ok := a.all[id]; ok {
		return e, nil
	}
	return nil, noExec(id)
}

func noExec(id string) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "No such exec instance: %s", id)
}

// RunningIn are the ids of those of a container that run or are still to be started.
func (a *API) RunningIn(container string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var ids []string
	for id := range maps.Keys(a.all) {
		if e := a.all[id]; e.container == container && e.isRunning() {
			ids = append(ids, id)
		}
	}
	return ids
}

func (e *execution) isRunning() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.running
}

// begin is for the one who starts it.
func (e *execution) begin() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started {
		return errdefs.Errorf(errdefs.ErrConflict, "exec %s has already run", e.id)
	}
	e.started, e.running = true, true
	return nil
}

// runs is told when the process is there.
func (e *execution) runs(pid int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pid = pid
}

func (e *execution) end(code *int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running, e.code = false, code
}

func (a *API) labels(_ context.Context, r *route.Request) (map[string]string, error) {
	e, err := a.get(r.Param("id"))
	if err != nil {
		return nil, err
	}
	return e.labels, nil
}

func newID() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func (a *API) create(w http.ResponseWriter, r *route.Request) error {
	var body struct {
		AttachStdin, AttachStdout, AttachStderr bool
		Tty, Detach, Privileged                 bool
		DetachKeys, User, WorkingDir            string
		Env, Cmd                                wire.Words
		ConsoleSize                             *[2]uint
	}
	if err := wire.Decode(r.Request, &body); err != nil {
		return err
	}
	if len(body.Cmd) == 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "No exec command specified")
	}
	size, err := sizeOf(body.ConsoleSize)
	if err != nil {
		return err
	}
	if err := create.Environment(body.Env); err != nil {
		return err
	}
	if body.DetachKeys != "" {
		if _, err := hijack.DetachKeys(map[string][]string{"detachKeys": {body.DetachKeys}}, true); err != nil {
			return err
		}
	}
	if body.Privileged {
		if err := r.Access.Require(route.All, "a privileged exec"); err != nil {
			return err
		}
	}
	told, err := a.running(r.Context(), r.Param("id"))
	if err != nil {
		return err
	}
	if body.User != "" {
		if err := a.engine.FindUser(r.Context(), told.ID, body.User); err != nil {
			return err
		}
	}
	e := &execution{
		id: newID(), container: told.ID, labels: told.Config.Labels, made: a.engine.Now(), begun: told.State.StartedAt,
		stdin: body.AttachStdin, stdout: body.AttachStdout, stderr: body.AttachStderr, keys: body.DetachKeys,
		size: make(chan engines.Size, 1),
		options: engines.ExecOptions{
			Args: body.Cmd, Env: body.Env, Cwd: body.WorkingDir, User: body.User, Terminal: body.Tty,
			Privileged: body.Privileged,
		},
	}
	e.options.ID = e.id
	if body.ConsoleSize != nil {
		e.resize(size)
	}
	if err := a.add(e); err != nil {
		return err
	}
	return wire.JSON(w, http.StatusCreated, struct {
		ID string `json:"Id"`
	}{e.id})
}

// running is a container in which something can be executed now.
func (a *API) running(ctx context.Context, id string) (*dockertypes.Container, error) {
	told, err := a.engine.InspectContainer(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case told.State.Paused:
		return nil, errdefs.Errorf(errdefs.ErrConflict,
			"Container %s is paused, unpause the container before exec", id)
	case !told.State.Running || told.State.Restarting:
		return nil, errdefs.Errorf(errdefs.ErrConflict, "container %s is not running", told.ID)
	}
	return told, nil
}

// lives says whether the life of the container still goes on that an exec was made for: one
// of an earlier life is no more.
func (a *API) lives(ctx context.Context, e *execution) error {
	told, err := a.engine.InspectContainer(ctx, e.container)
	if err != nil || !told.State.Running || told.State.StartedAt != e.begun {
		return noExec(e.id)
	}
	_, err = a.running(ctx, e.container)
	return err
}

// sizeOf is the size that a body has, as height and width.
func sizeOf(c *[2]uint) (engines.Size, error) {
	if c == nil {
		return engines.Size{}, nil
	}
	if c[0] > math.MaxUint16 || c[1] > math.MaxUint16 {
		return engines.Size{}, errdefs.Errorf(errdefs.ErrInvalid,
			"ConsoleSize: a terminal of %d rows and %d columns cannot be", c[0], c[1])
	}
	return engines.Size{Rows: uint16(c[0]), Cols: uint16(c[1])}, nil
}

// resize keeps the newest size until the process is there.
func (e *execution) resize(s engines.Size) {
	for {
		select {
		case e.size <- s:
			return
		default:
		}
		select {
		case <-e.size:
		default:
		}
	}
}

func (a *API) start(w http.ResponseWriter, r *route.Request) error {
	var body struct {
		Detach, Tty bool
		ConsoleSize *[2]uint
	}
	if err := wire.Decode(r.Request, &body); err != nil {
		return err
	}
	e, err := a.get(r.Param("id"))
	if err != nil {
		return err
	}
	size, err := sizeOf(body.ConsoleSize)
	if err != nil {
		return err
	}
	if body.ConsoleSize != nil {
		e.resize(size)
	}
	// What is known before the connection is taken over is an answer of its own.
	if err := a.lives(r.Context(), e); err != nil {
		return err
	}
	if err := e.begin(); err != nil {
		return err
	}
	if body.Detach {
		return a.detached(w, r, e)
	}
	keys, err := hijack.DetachKeys(map[string][]string{"detachKeys": {e.keys}}, e.options.Terminal)
	if err != nil {
		e.end(nil)
		return err
	}
	stream, err := hijack.Take(w, r, body.Tty)
	if err != nil {
		e.end(nil)
		return err
	}
	defer stream.Close()
	status, err := a.engine.Exec(a.life, e.container, e.options, e.streams(stream, keys))
	code := status.Code
	var start *engines.StartError
	switch {
	case errors.As(err, &start):
		code = start.Code
		fmt.Fprintf(stream.Stdout(), "%s\r\n", wire.Text(err))
	case errors.Is(err, engines.ErrDetached):
		a.follow(e) // it goes on
		return nil
	case err != nil:
		code = failedExec
		fmt.Fprintf(stream.Stdout(), "%s\r\n", wire.Text(err))
	}
	e.end(&code)
	return nil
}

// streams are the ends of its client.
func (e *execution) streams(of *hijack.Stream, keys []byte) engines.Streams {
	s := engines.Streams{Resize: e.size, DetachKeys: keys, Started: e.runs}
	if e.stdin {
		s.Stdin = of
	}
	if e.stdout {
		s.Stdout = &lossy{w: of.Stdout()}
	}
	if e.stderr {
		s.Stderr = &lossy{w: of.Stderr()}
	}
	return s
}

// lossy takes everything, also when its client has gone: the process goes on, as under
// dockerd, and what it prints from then on is seen by nobody.
type lossy struct {
	w    io.Writer
	gone bool
}

func (l *lossy) Write(p []byte) (int, error) {
	if !l.gone {
		_, err := l.w.Write(p)
		l.gone = err != nil
	}
	return len(p), nil
}

// failedExec is the exit code of what did not come to run, as docker has it.
const failedExec = 126

// execDetached starts a process that nobody looks at.
func (a *API) detached(w http.ResponseWriter, r *route.Request, e *execution) error {
	ended := a.follow(e)
	o := e.options
	o.Detach = true
	if _, err := a.engine.Exec(r.Context(), e.container, o, engines.Streams{Started: e.runs}); err != nil {
		ended()
		code := failedExec
		e.end(&code)
		return hijack.StartError(err)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// follow learns from events how a process ends that goes on without a client, also when
// it has ended by the time that nobody is known to look. The function that it returns
// ends that.
func (a *API) follow(e *execution) func() {
	ctx, cancel := context.WithCancel(a.life)
	events, err := a.engine.Events(engine.EventOptions{Since: e.made, Filter: map[string][]string{
		"container": {e.container}, "event": {"exec_die", "destroy"},
	}})
	if err != nil {
		return cancel
	}
	go func() {
		defer cancel()
		defer events.Close()
		for {
			what, err := events.Next(ctx)
			if err != nil {
				return
			}
			var code int
			if what.Action == "exec_die" && what.Actor.Attributes["execID"] != e.id {
				continue
			}
			if _, err := fmt.Sscan(what.Actor.Attributes["exitCode"], &code); err != nil {
				code = failedExec // it went with its container
			}
			e.end(&code)
			return
		}
	}()
	return cancel
}

func (a *API) resize(w http.ResponseWriter, r *route.Request) error {
	size, err := hijack.Size(r.URL.Query())
	if err != nil {
		return err
	}
	e, err := a.get(r.Param("id"))
	if err != nil {
		return err
	}
	if !e.isRunning() {
		return errdefs.Errorf(errdefs.ErrConflict, "exec %s is not running", e.id)
	}
	e.resize(size)
	w.WriteHeader(http.StatusOK)
	return nil
}

func (a *API) inspect(w http.ResponseWriter, r *route.Request) error {
	e, err := a.get(r.Param("id"))
	if err != nil {
		return err
	}
	if _, err := a.engine.Container(r.Context(), e.container); errors.Is(err, errdefs.ErrNotFound) {
		return noExec(e.id) // it went with its container
	}
	type process struct {
		Tty        bool     `json:"tty"`
		Entrypoint string   `json:"entrypoint"`
		Arguments  []string `json:"arguments"`
		Privileged bool     `json:"privileged"`
		User       string   `json:"user,omitempty"`
	}
	o := e.options
	e.mu.Lock()
	defer e.mu.Unlock()
	return wire.JSON(w, http.StatusOK, struct {
		ID                                string
		ContainerID                       string
		Running                           bool
		ExitCode                          *int
		ProcessConfig                     process
		OpenStdin, OpenStdout, OpenStderr bool
		CanRemove                         bool
		DetachKeys                        string
		Pid                               int
	}{
		e.id, e.container, e.running, e.code,
		process{o.Terminal, o.Args[0], append([]string{}, o.Args[1:]...), o.Privileged, o.User},
		e.stdin, e.stdout, e.stderr, e.started && !e.running, strings.TrimSpace(e.keys), e.pid,
	})
}
