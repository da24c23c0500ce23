package builds

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"cove/builder"
	"cove/builder/command"
	"cove/builder/history"
	"cove/builder/plan"
	"cove/builder/secret"
	"cove/engine/builds/output"
	"cove/internal/platforms"
)

// The history of builds, for whoever shows it.
type (
	// Record is one build, Attachment a document about it, Material what it was made of.
	Record     = history.Record
	Attachment = history.Attachment
	Material   = history.Material
	// Store is a history.
	Store = history.Store
	// Failure is why a build failed.
	Failure = history.Failure
)

// The statuses of a Record.
const (
	StatusRunning   = history.Running
	StatusCompleted = history.Completed
	StatusFailed    = history.Failed
	StatusCanceled  = history.Canceled
)

// History is that of the builds of an engine.
func History(e Engine) Store {
	return history.Store{Dir: filepath.Join(e.BuildDir(), "history"), Now: e.Now}
}

// recording writes the history of one build. A build does not fail for it: what could
// not be written is a warning.
type recording struct {
	rec *history.Recorder // nil where even the beginning could not be written
	err error

	mu      sync.Mutex
	secrets map[string][]byte
	set     secret.Set
}

// beginHistory begins the record of a build and puts itself between the build and whoever
// listens to it.
func beginHistory(e Engine, reqs []builder.Request, all []Options) *recording {
	r := &recording{secrets: map[string][]byte{}}
	for i := range reqs {
		for id, value := range reqs[i].Secrets {
			r.secrets[strconv.Itoa(i)+" "+id] = value
		}
		if reqs[i].Finder != nil {
			reqs[i].Finder = learning{reqs[i].Finder, r}
		}
	}
	r.set = secret.Of(r.secrets)
	if r.rec, r.err = History(e).Begin(r.asked(reqs, all)); r.err != nil {
		r.rec = nil
		return r
	}
	for i := range reqs {
		reqs[i].ID = r.rec.ID()
	}
	listener := reqs[0].Progress
	reqs[0].Progress = func(ev Event) {
		r.rec.Event(ev, r.masking().Mask)
		if listener != nil {
			listener(ev)
		}
	}
	return r
}

// masking is the secrets that are known now.
func (r *recording) masking() secret.Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set
}

// learn adds a secret that a client was asked for.
func (r *recording) learn(id string, value []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets[id] = value
	r.set = secret.Of(r.secrets)
}

// learning is a Finder whose secrets the history learns, so that it holds none.
type learning struct {
	Finder
	by *recording
}

// Secret implements builder.Finder.
func (l learning) Secret(ctx context.Context, id string) ([]byte, error) {
	value, err := l.Finder.Secret(ctx, id)
	if err == nil {
		l.by.learn(id, value)
	}
	return value, err
}

// asked is what a build was asked for.
func (r *recording) asked(reqs []builder.Request, all []Options) history.Record {
	first := reqs[0]
	rec := history.Record{
		Name: r.set.Mask(nameOf(reqs, all)), Context: r.set.Mask(secret.MaskURL(first.Context)),
		Dockerfile: first.Dockerfile, Target: r.set.Mask(first.Target), NoCache: first.NoCache, Network: first.Network,
		Again: len(all[0].Outputs) == 1 && all[0].Outputs[0].Type == output.Held,
	}
	if first.Received != nil {
		rec.Context, rec.Dockerfile = "", first.Received.Name
	}
	for name, value := range first.Contexts {
		if rec.Contexts == nil {
			rec.Contexts = map[string]string{}
		}
		rec.Contexts[name] = r.set.Mask(secret.MaskURL(value))
	}
	for _, req := range reqs {
		for _, p := range req.Platforms {
			rec.Platforms = append(rec.Platforms, platforms.Format(p))
		}
	}
	if len(rec.Platforms) == 0 {
		rec.Platforms = []string{platforms.Format(platforms.Host())}
	}
	rec.Platforms = slices.Compact(slices.Sorted(slices.Values(rec.Platforms)))
	return rec
}

// nameOf is what a list of builds calls one: its targets of a bake file, or the
// directory with what is not usual.
func nameOf(reqs []builder.Request, all []Options) string {
	var names []string
	for _, req := range reqs {
		if req.Name != "" {
			names = append(names, req.Name)
		}
	}
	if len(names) > 0 {
		return strings.Join(names, ",")
	}
	req := reqs[0]
	if req.Received != nil {
		return cmp.Or(strings.Join(all[0].Names, ","), req.Received.Name)
	}
	name := secret.MaskURL(req.Context)
	if !strings.Contains(name, "://") && name != "-" {
		if abs, err := filepath.Abs(name); err == nil {
			name = filepath.Base(abs)
		}
	}
	if file := filepath.Base(req.Dockerfile); req.Dockerfile != "" && file != "Dockerfile" && file != "-" {
		name += "/" + file
	}
	if req.Target != "" {
		name += " (" + req.Target + ")"
	}
	return name
}

// end writes how the build ended. A result gets what went wrong as a warning.
func (r *recording) end(ctx context.Context, reqs []builder.Request, results []*Result, err error) {
	if r.rec != nil {
		set := r.masking()
		attached := r.attach(results)
		r.err = r.rec.End(func(rec *history.Record) {
			for _, req := range reqs {
				rec.BuildArgs = keepMasked(rec.BuildArgs, req.BuildArgs, req.Name, set)
				rec.Labels = keepMasked(rec.Labels, req.Labels, req.Name, set)
			}
			switch {
			case err == nil:
				rec.Status = history.Completed
				describe(rec, results)
				rec.Materials = materials(results)
			case ctx.Err() != nil:
				rec.Status = history.Canceled
			default:
				rec.Status, rec.Failure = history.Failed, failure(set, err)
			}
		})
		r.err = errors.Join(attached, r.err)
	}
	if r.err != nil && len(results) > 0 && results[0] != nil {
		results[0].Warnings = append(results[0].Warnings,
			plan.Warning{Rule: "HistoryNotWritten", Text: r.err.Error()})
	}
}

// keepMasked adds values to what is kept of them, below the name of their target.
func keepMasked(kept, values map[string]string, target string, set secret.Set) map[string]string {
	for k, v := range values {
		if kept == nil {
			kept = map[string]string{}
		}
		masked := set.MaskArg(k, v)
		if target != "" {
			k = target + ":" + k
		}
		kept[k] = masked
	}
	return kept
}

// describe adds what a build made.
func describe(rec *history.Record, results []*Result) {
	for _, res := range results {
		rec.Warnings += len(res.Warnings)
		for _, made := range res.Exported {
			if made.Target.Digest == "" {
				continue
			}
			rec.Images = append(rec.Images, made.Target)
			for _, name := range made.Names {
				if !slices.Contains(rec.Tags, name) {
					rec.Tags = append(rec.Tags, name)
				}
			}
		}
	}
}

// maxSource is how much of a Dockerfile a failure keeps.
const maxSource = 64 << 10

// failure is what is kept of an error.
func failure(set secret.Set, err error) *history.Failure {
	f := &history.Failure{Text: set.Mask(err.Error())}
	if at := (*builder.Error)(nil); errors.As(err, &at) {
		f.Location = at.Location
		f.Location.Instruction = set.Mask(f.Location.Instruction)
		if len(at.Source) <= maxSource {
			f.Source = []byte(set.Mask(string(at.Source)))
		}
	}
	if run := (*command.Error)(nil); errors.As(err, &run) {
		f.Tail = run.Tail
	}
	return f
}
