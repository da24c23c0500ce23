package build

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	control "github.com/moby/buildkit/api/services/control"

	"cove/engine/api/buildkit"
	"cove/engine/api/wire"
	"cove/engine/builds"
)

// line is one line of JSON.
type line struct {
	ID     string     `json:"id,omitempty"`
	Stream string     `json:"stream,omitempty"`
	Aux    any        `json:"aux,omitempty"`
	Detail *errorLine `json:"errorDetail,omitempty"`
	Error  string     `json:"error,omitempty"`
}

type errorLine struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"message"`
}

// imageID is what a build made.
type imageID struct {
	ID string `json:"ID"`
}

// lines writes lines, each at once. It is safe for concurrent use.
type lines struct {
	mu    sync.Mutex
	w     http.ResponseWriter
	begun bool
}

func newLines(w http.ResponseWriter) *lines { return &lines{w: w} }

func (l *lines) send(one line) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "application/json")
	}
	enc := json.NewEncoder(l.w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(one); err != nil {
		return err
	}
	return http.NewResponseController(l.w).Flush()
}

// fail answers with an error: as HTTP, if nothing was sent yet.
func (l *lines) fail(err error) error {
	l.mu.Lock()
	begun := l.begun
	l.mu.Unlock()
	if !begun {
		return err
	}
	detail := &errorLine{Message: wire.Text(err)}
	var exit *builds.ExitError
	var at *builds.Error
	if errors.As(err, &exit) && errors.As(err, &at) {
		command := strings.TrimSpace(strings.TrimPrefix(at.Location.Instruction, "RUN"))
		detail.Code = exit.Code
		detail.Message = fmt.Sprintf("The command '/bin/sh -c %s' returned a non-zero code: %d", command, exit.Code)
	}
	_ = l.send(line{Detail: detail, Error: detail.Message}) // nobody else can be told
	return nil
}

// told tells of a build in docker's words, one step after the other: what steps that
// run at once write is held back until those before have ended.
type told struct {
	out   *lines
	quiet bool

	before int // steps of the builder's own, before the first of the Dockerfile
	steps  map[int]*step
	next   int // the step whose text is sent as it comes
}

type step struct {
	text strings.Builder
	done bool
}

func newTold(out *lines, quiet bool) *told {
	return &told{out: out, quiet: quiet, steps: map[int]*step{}}
}

// event takes one step of the build; it is a builds.Options.Progress.
func (t *told) event(e builds.Event) {
	if e.Vertex.Definition == "" {
		if len(t.steps) == 0 {
			t.before = max(t.before, e.Index)
		}
		return
	}
	s, ok := t.steps[e.Index]
	if !ok {
		if len(t.steps) == 0 {
			t.next = t.before + 1
		}
		s = &step{}
		t.steps[e.Index] = s
	}
	if e.Kind == builds.Started || e.Kind == builds.Cached && s.text.Len() == 0 {
		const others = 1 // the export, after them
		fmt.Fprintf(&s.text, "Step %d/%d : %s\n", e.Index-t.before, e.Total-t.before-others, instruction(e.Vertex))
	}
	short := shortID(e.Vertex.Definition.Encoded())
	switch e.Kind {
	case builds.Started:
		if builds.Command(e.Vertex) != nil {
			fmt.Fprintf(&s.text, " ---> Running in %s\n", short)
		}
	case builds.Log:
		s.text.Write(e.Data)
	case builds.Cached:
		if !base(e.Vertex) { // which docker's builder does not call cached
			s.text.WriteString(" ---> Using cache\n")
		}
		fmt.Fprintf(&s.text, " ---> %s\n", short)
	case builds.Done:
		fmt.Fprintf(&s.text, " ---> %s\n", short)
	}
	s.done = e.Kind != builds.Started && e.Kind != builds.Log
	t.advance()
}

// advance sends what can be sent.
func (t *told) advance() {
	for {
		s, ok := t.steps[t.next]
		if !ok {
			return
		}
		t.send(s)
		if !s.done {
			return
		}
		t.next++
	}
}

func (t *told) send(s *step) {
	if s.text.Len() > 0 && !t.quiet {
		_ = t.out.send(line{Stream: s.text.String()}) // a client that is gone ends the build by the context
		s.text.Reset()
	}
}

// flush sends what is left of steps that a failure ended.
func (t *told) flush() {
	for _, index := range slices.Sorted(maps.Keys(t.steps)) {
		t.send(t.steps[index])
	}
}

// built tells what was built.
func (t *told) built(result *builds.Result) {
	made := result.Image()
	id := cmp.Or(made.Config, made.Target.Digest) // an index has no config
	if t.quiet {
		_ = t.out.send(line{Stream: id.String() + "\n"})
		return
	}
	for _, w := range result.Warnings {
		_ = t.out.send(line{Stream: fmt.Sprintf("[Warning] %s: %s\n", w.Rule, w.Text)})
	}
	_ = t.out.send(line{Aux: imageID{id.String()}})
	_ = t.out.send(line{Stream: "Successfully built " + shortID(id.Encoded()) + "\n"})
	for _, name := range made.Names {
		name = strings.TrimPrefix(strings.TrimPrefix(name, "docker.io/"), "library/")
		_ = t.out.send(line{Stream: "Successfully tagged " + name + "\n"})
	}
}

// base reports whether a step is a FROM.
func base(v *builds.Vertex) bool { return strings.HasPrefix(strings.ToUpper(instruction(v)), "FROM ") }

// instruction is a step as its author wrote it.
func instruction(v *builds.Vertex) string {
	if v.Location.Instruction != "" {
		return v.Location.Instruction
	}
	_, rest, _ := strings.Cut(v.Name, "] ")
	return rest
}

func shortID(id string) string { return id[:min(12, len(id))] }

// buildByKit is a build of version 2: docker's own client before 23 asks for it so
// with DOCKER_BUILDKIT=1, offers its files on a session, and shows BuildKit's messages.
func (b *Builds) buildByKit(ctx context.Context, o *options, out *lines) error {
	c := buildkit.Classic{
		Ref: cmp.Or(o.id, rand.Text()), Session: o.session, Options: o.frontend(), Exporters: o.exporters,
	}
	if c.Exporters == nil {
		c.Exporters = []*control.Exporter{{Type: "moby", Attrs: map[string]string{"name": strings.Join(o.Names, ",")}}}
	}
	made, err := b.buildkit.Build(ctx, c, func(message []byte) error {
		return out.send(line{ID: "moby.buildkit.trace", Aux: message})
	})
	if err != nil {
		return out.fail(err)
	}
	if id := cmp.Or(made["containerimage.config.digest"], made["containerimage.digest"]); id != "" {
		_ = out.send(line{ID: "moby.image.id", Aux: imageID{id}})
	}
	return nil
}

// frontend are the options as the Dockerfile frontend has them.
func (o *options) frontend() map[string]string {
	out := map[string]string{}
	set := func(key, value string) {
		if value != "" {
			out[key] = value
		}
	}
	set("filename", o.Dockerfile)
	set("target", o.Target)
	set("force-network-mode", o.Network)
	set("cgroup-parent", o.CgroupParent)
	if o.Context != clientSession && o.Context != "-" {
		set("context", o.Context)
	}
	if o.NoCache {
		out["no-cache"] = ""
	}
	if o.Pull {
		out["image-resolve-mode"] = "pull"
	}
	for name, value := range o.BuildArgs {
		out["build-arg:"+name] = value
	}
	for name, value := range o.Labels {
		out["label:"+name] = value
	}
	join := func(key string, all []string) { set(key, strings.Join(all, ",")) }
	var platforms, hosts, caches []string
	for _, p := range o.Platforms {
		platforms = append(platforms, strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/"))
	}
	for _, h := range o.Hosts {
		hosts = append(hosts, h.Name+"="+h.IP)
	}
	for _, c := range o.CacheFrom {
		caches = append(caches, c.Ref)
	}
	join("platform", platforms)
	join("add-hosts", hosts)
	join("cache-from", caches)
	return out
}
