package containers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"cove/engine"
	"cove/engine/api/hijack"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	engines "cove/engine/containers"
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
	size          chan engines.Size

	mu      sync.Mutex
	started bool
	running bool
	code    *int
}

// execs are those that were made.
type execs struct {
	mu  sync.Mutex
	all map[string]*execution
}

// Those that ended are forgotten when there are more, the oldest first.
const maxExecs = 1024

func (x *execs) add(e *execution) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all == nil {
		x.all = map[string]*execution{}
	}
	for len(x.all) >= maxExecs {
		oldest := ""
		for id, e := range x.all {
			if !e.isRunning() && (oldest == "" || e.made.Before(x.all[oldest].made)) {
				oldest = id
			}
		}
		if oldest == "" {
			return errdefs.Errorf(errdefs.ErrExhausted, "%d execs run already", len(x.all))
		}
		delete(x.all, oldest)
	}
	x.all[e.id] = e
	return nil
}

func (x *execs) get(id string) (*execution, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e, ok := x.all[id]; ok {
		return e, nil
	}
	return nil, errdefs.Errorf(errdefs.ErrNotFound, "No such exec instance: %s", id)
}

// of are the ids of those of a container that run or are still to be started.
func (x *execs) of(container string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var ids []string
	for id := range maps.Keys(x.all) {
		if e := x.all[id]; e.container == container && e.isRunning() {
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

func (e *execution) end(code *int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running, e.code = false, code
}

func (a *API) execLabels(_ context.Context, r *route.Request) (map[string]string, error) {
	e, err := a.execs.get(r.Param("id"))
	if err != nil {
		return nil, err
	}
	return e.labels, nil
}

func (a *API) execCreate(w http.ResponseWriter, r *route.Request) error {
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
		return errdefs.Errorf(errdefs.ErrInvalid, "no exec command specified")
	}
	if body.Privileged {
		if err := r.Access.Require(route.All, "a privileged exec"); err != nil {
			return err
		}
	}
	told, err := a.engine.InspectContainer(r.Context(), r.Param("id"))
	switch {
	case err != nil:
		return err
	case told.State.Paused:
		return errdefs.Errorf(errdefs.ErrConflict, "container %s is paused, unpause the container before exec", told.ID)
	case !told.State.Running || told.State.Restarting:
		return errdefs.Errorf(errdefs.ErrConflict, "container %s is not running", told.ID)
	}
	e := &execution{
		id: newID(), container: told.ID, labels: told.Config.Labels, made: a.engine.Now(),
		stdin: body.AttachStdin, stdout: body.AttachStdout, stderr: body.AttachStderr, keys: body.DetachKeys,
		size: make(chan engines.Size, 1),
		options: engines.ExecOptions{
			Args: body.Cmd, Env: body.Env, Cwd: body.WorkingDir, User: body.User, Terminal: body.Tty,
			Privileged: body.Privileged,
		},
	}
	e.options.ID = e.id
	if body.ConsoleSize != nil {
		e.resize(engines.Size{Rows: uint16(body.ConsoleSize[0]), Cols: uint16(body.ConsoleSize[1])})
	}
	if err := a.execs.add(e); err != nil {
		return err
	}
	return wire.JSON(w, http.StatusCreated, struct {
		ID string `json:"Id"`
	}{e.id})
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

func (a *API) execStart(w http.ResponseWriter, r *route.Request) error {
	var body struct {
		Detach, Tty bool
		ConsoleSize *[2]uint
	}
	if err := wire.Decode(r.Request, &body); err != nil {
		return err
	}
	e, err := a.execs.get(r.Param("id"))
	if err != nil {
		return err
	}
	if c := body.ConsoleSize; c != nil {
		e.resize(engines.Size{Rows: uint16(c[0]), Cols: uint16(c[1])})
	}
	if err := e.begin(); err != nil {
		return err
	}
	if body.Detach {
		return a.execDetached(w, r, e)
	}
	keys, err := detachKeys(map[string][]string{"detachKeys": {e.keys}}, e.options.Terminal)
	if err != nil {
		e.end(nil)
		return err
	}
	stream, err := hijack.Take(w, r, e.options.Terminal)
	if err != nil {
		e.end(nil)
		return err
	}
	defer stream.Close()
	streams := engines.Streams{Resize: e.size, DetachKeys: keys}
	if e.stdin {
		streams.Stdin = stream
	}
	if e.stdout {
		streams.Stdout = stream.Stdout()
	}
	if e.stderr {
		streams.Stderr = stream.Stderr()
	}
	status, err := a.engine.Exec(a.life, e.container, e.options, streams)
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

// failedExec is the exit code of what did not come to run, as docker has it.
const failedExec = 126

// execDetached starts a process that nobody looks at.
func (a *API) execDetached(w http.ResponseWriter, r *route.Request, e *execution) error {
	ended := a.follow(e)
	o := e.options
	o.Detach = true
	if _, err := a.engine.Exec(r.Context(), e.container, o, engines.Streams{}); err != nil {
		ended()
		code := failedExec
		e.end(&code)
		return startError(err)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// follow learns from events how a process ends that goes on without a client. The
// function that it returns ends that.
func (a *API) follow(e *execution) func() {
	ctx, cancel := context.WithCancel(a.life)
	events, err := a.engine.Events(engine.EventOptions{Filter: map[string][]string{
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

func (a *API) execResize(w http.ResponseWriter, r *route.Request) error {
	e, err := a.execs.get(r.Param("id"))
	if err != nil {
		return err
	}
	size, err := sizeOf(r.URL.Query())
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

func (a *API) execInspect(w http.ResponseWriter, r *route.Request) error {
	e, err := a.execs.get(r.Param("id"))
	if err != nil {
		return err
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
		e.stdin, e.stdout, e.stderr, e.started && !e.running, strings.TrimSpace(e.keys), 0,
	})
}
