// Package secret keeps the secrets of a build out of what it makes and shows: they are
// searched for in instructions, configs and layers, and masked in the output of commands.
package secret

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"cove/builder/plan"
	"cove/errdefs"
)

// minSecret is how long a secret must be to be searched for and masked:
// shorter ones are found everywhere.
const minSecret = 8

// Set is the secrets of one build. The zero value has none.
type Set struct {
	// known are searched for: without the white space around them.
	known [][]byte
	// masked is what is not shown; see maskOf.
	masked [][]byte
}

// Of returns the set of secrets, by their ids.
func Of(secrets map[string][]byte) Set {
	s := Set{masked: maskOf(secrets)}
	for _, id := range slices.Sorted(maps.Keys(secrets)) {
		if v := bytes.TrimSpace(secrets[id]); len(v) >= minSecret {
			s.known = append(s.known, v)
		}
	}
	return s
}

// Searched reports whether there is anything to search for.
func (s Set) Searched() bool { return len(s.known) > 0 }

// CheckPlan refuses a graph whose instructions, config or history hold a
// secret: a build argument, variable or label with its value would be kept in
// the image and in the cache's records for all to read.
func (s Set) CheckPlan(g *plan.Graph) error {
	if !s.Searched() {
		return nil
	}
	for _, v := range g.Vertices {
		if v.Op == nil {
			continue
		}
		if holds(v.Op, s.known) {
			return plan.At(v.Location, errdefs.Errorf(errdefs.ErrDenied,
				"the value of a secret is part of this instruction, or of a variable that it gets, and would be kept in the image: "+
					"give it to a RUN with --mount=type=secret"))
		}
	}
	for _, img := range g.Targets() {
		if err := checkImage(img, s.known); err != nil {
			return err
		}
	}
	return nil
}

// checkImage refuses an image whose config or history hold a secret, but for
// what came with the base.
func checkImage(t plan.Image, secrets [][]byte) error {
	t.History = slices.DeleteFunc(slices.Clone(t.History), func(h plan.History) bool { return h.Base })
	t.Base = plan.Base{}
	if holds(t, secrets) {
		return errdefs.Errorf(errdefs.ErrDenied,
			"the value of a secret is in the image's config or history (ENV, ARG, LABEL, CMD, …): "+
				"give it to a RUN with --mount=type=secret")
	}
	return nil
}

// holds says that a string in v has a secret in it. It compares JSON with JSON,
// so that what is escaped is escaped on both sides.
func holds(v any, secrets [][]byte) bool {
	if run, ok := v.(*plan.Run); ok {
		visible := *run
		visible.ProxyEnv = nil // is kept nowhere
		v = &visible
	}
	text, err := json.Marshal(v)
	if err != nil {
		return false // data that JSON cannot express has no strings
	}
	return slices.ContainsFunc(secrets, func(secret []byte) bool {
		quoted, err := json.Marshal(string(secret))
		return err == nil && bytes.Contains(text, quoted[1:len(quoted)-1])
	})
}

// Scanner is a writer that looks for secrets in what passes.
type Scanner struct {
	secrets [][]byte
	keep    int // how much of the last write a secret may have begun in
	buf     []byte
	hit     bool
}

// Scanner returns one that has seen nothing yet.
func (s Set) Scanner() *Scanner {
	sc := &Scanner{secrets: s.known}
	for _, value := range s.known {
		sc.keep = max(sc.keep, len(value)-1)
	}
	return sc
}

// Write implements io.Writer; it never fails.
func (sc *Scanner) Write(p []byte) (int, error) {
	if len(sc.secrets) == 0 {
		return len(p), nil
	}
	sc.buf = append(sc.buf, p...)
	for _, s := range sc.secrets {
		if bytes.Contains(sc.buf, s) {
			sc.hit = true
		}
	}
	sc.buf = append(sc.buf[:0], sc.buf[max(0, len(sc.buf)-sc.keep):]...)
	return len(p), nil
}

// Found is the error of an instruction, "RUN …" or "COPY …", that put a secret
// into a layer.
func (sc *Scanner) Found(instruction string) error {
	switch {
	case !sc.hit:
		return nil
	case strings.HasPrefix(strings.ToUpper(instruction), "RUN"):
		return errdefs.Errorf(errdefs.ErrDenied,
			"the command wrote the value of a secret into a file of the image: write it to a tmpfs, or nowhere")
	}
	return errdefs.Errorf(errdefs.ErrDenied, "the value of a secret is in a file that is copied into the image: "+
		"leave the file out, with .dockerignore, and give it to a RUN with --mount=type=secret")
}
