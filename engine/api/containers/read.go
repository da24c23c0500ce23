package containers

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"cove/engine/api/hijack"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	engines "cove/engine/containers"
	"cove/errdefs"
)

func (a *API) logs(w http.ResponseWriter, r *route.Request) error {
	q := r.URL.Query()
	o := engines.LogOptions{
		Follow: wire.Bool(q, "follow"), All: true,
		Timestamps: wire.Bool(q, "timestamps"), Details: wire.Bool(q, "details"),
	}
	stdout, stderr := wire.Bool(q, "stdout"), wire.Bool(q, "stderr")
	if !stdout && !stderr {
		return errdefs.Errorf(errdefs.ErrInvalid, "Bad parameters: you must choose at least one stream")
	}
	if tail := q.Get("tail"); tail != "" && tail != "all" {
		n, err := strconv.Atoi(tail)
		if err == nil && n >= 0 {
			o.All, o.Tail = false, n
		}
	}
	var err error
	if o.Since, err = since(q.Get("since"), a.engine.Now()); err != nil {
		return err
	}
	if o.Until, err = since(q.Get("until"), a.engine.Now()); err != nil {
		return err
	}
	c, err := a.engine.Container(r.Context(), r.Param("id"))
	if err != nil {
		return err
	}
	tty := c.Config().Terminal
	w.Header().Set("Content-Type", hijack.ContentType(r, tty))
	flushed := &flusher{w: w, control: http.NewResponseController(w)}
	out, errs := hijack.Answer(flushed, tty)
	if !stdout {
		out = nil
	}
	if !stderr {
		errs = nil
	}
	if o.Follow {
		flushed.begin()
	}
	err = a.engine.Logs(r.Context(), c.ID(), o, discardNil(out), discardNil(errs))
	if err != nil && flushed.begun {
		return nil // the answer has begun: all that is left is to end it
	}
	return err
}

// since reads a time of which 0 is none, as docker's clients send it.
func since(text string, now time.Time) (time.Time, error) {
	if text == "0" {
		text = ""
	}
	return wire.Moment(text, now)
}

func (a *API) changes(w http.ResponseWriter, r *route.Request) error {
	all, err := a.engine.Changes(r.Context(), r.Param("id"))
	if err != nil {
		return err
	}
	type change struct {
		Path string
		Kind int
	}
	out := []change{}
	for _, c := range all {
		out = append(out, change{c.Name, strings.Index("CAD", string(c.Kind))})
	}
	return wire.JSON(w, http.StatusOK, out)
}

func (a *API) export(w http.ResponseWriter, r *route.Request) error {
	c, err := a.engine.Container(r.Context(), r.Param("id"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-tar")
	return wire.Streamed(w, func(to http.ResponseWriter) error { return a.engine.Export(r.Context(), c.ID(), to) })
}
