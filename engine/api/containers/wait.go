package containers

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"cove/engine"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/engine/dockertypes"
	"cove/errdefs"
)

// The conditions of a wait.
const (
	notRunning = "not-running"
	nextExit   = "next-exit"
	removed    = "removed"
)

// wait answers when a condition holds. Its headers are sent at once: a client goes
// on to start the container when it has them.
func (a *API) wait(w http.ResponseWriter, r *route.Request) error {
	condition := r.URL.Query().Get("condition")
	switch {
	case condition == "" || r.Version.Before(wire.V(30)):
		condition = notRunning
	case condition != notRunning && condition != nextExit && condition != removed:
		return errdefs.Errorf(errdefs.ErrInvalid, "invalid condition: %q", condition)
	}
	told, err := a.engine.InspectContainer(r.Context(), r.Param("id"))
	if err != nil {
		return err
	}
	o, err := a.watch(told.ID)
	if err != nil {
		return err
	}
	defer o.events.Close()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	if err := http.NewResponseController(w).Flush(); err != nil {
		return err
	}
	code, err := o.until(r.Context(), condition)
	if err != nil && r.Context().Err() != nil {
		return nil
	}
	// A client that hears of the end may let go of the streams that it attached to.
	a.lobby.drain(r.Context(), told.ID, drainTime)
	return wire.Encode(w, waited(code, err))
}

// drainTime is how long the answer waits for those who read their streams slowly, as
// dockerd does.
const drainTime = 2 * time.Second

// waited is docker's answer.
func waited(code int, err error) any {
	type failure struct{ Message string }
	out := struct {
		StatusCode int
		Error      *failure
	}{StatusCode: code}
	if err != nil {
		out.Error = &failure{wire.Text(err)}
	}
	return out
}

// outlook watches one container.
type outlook struct {
	api    *API
	id     string
	events *engine.EventStream
	ran    bool // it was seen running
	gone   bool // it is removed
	code   int  // how it ended last
}

// watch misses nothing that happens after this call.
func (a *API) watch(id string) (*outlook, error) {
	events, err := a.engine.Events(engine.EventOptions{Filter: map[string][]string{
		"container": {id}, "event": {"start", "die", "destroy"},
	}})
	return &outlook{api: a, id: id, events: events}, err
}

// poll is how often a container is looked at beside its events, which are told on a
// best effort.
const poll = time.Second

func (o *outlook) until(ctx context.Context, condition string) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	happened := make(chan dockertypes.Event)
	go func() {
		for {
			e, err := o.events.Next(ctx)
			if err != nil {
				return
			}
			select {
			case happened <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		holds, err := o.look(ctx, condition)
		if errors.Is(err, errdefs.ErrNotFound) && !o.gone {
			o.gone = true // how it ended is told by an event that is still to be read
		} else if err != nil && !o.gone || holds {
			return o.code, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case e := <-happened:
			if o.saw(e, condition) {
				return o.code, nil
			}
		case <-tick.C:
			if o.gone {
				return o.code, nil
			}
		}
	}
}

// saw reports whether an event is what is waited for.
func (o *outlook) saw(e dockertypes.Event, condition string) bool {
	switch e.Action {
	case "start":
		o.ran = true
	case "die":
		if code, err := strconv.Atoi(e.Actor.Attributes["exitCode"]); err == nil {
			o.code = code
		}
		return condition != removed
	case "destroy":
		return true
	}
	return false
}

// look reports whether the condition holds now.
func (o *outlook) look(ctx context.Context, condition string) (bool, error) {
	told, err := o.api.engine.InspectContainer(ctx, o.id)
	switch {
	case err != nil:
		return false, err
	case told.State.Running:
		o.ran = true
		return false, nil
	}
	if o.ran || condition == notRunning || told.State.FinishedAt != dockertypes.Never {
		o.code = told.State.ExitCode
	}
	return condition == notRunning || condition == nextExit && o.ran, nil
}
