// Package trace says why the cache did not have a step: it keeps what the keys of steps
// were made of when they last ran.
package trace

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cove/builder/plan"
	"cove/internal/atomicfile"
)

// Trace is what a step's key was made of when it last ran. It exists to say
// afterwards which part has changed, and nothing depends on it.
type Trace struct {
	Op     map[string]json.RawMessage `json:"op"`
	Parent string                     `json:"parent"`
	Inputs []string                   `json:"inputs,omitempty"`
	Files  map[string]string          `json:"files,omitempty"`
}

// maxReasons is how many changes of one step are told.
const maxReasons = 3

// Of is the trace of an op on a parent.
func Of(op plan.Op, parent string) Trace {
	tr := Trace{Parent: parent}
	if run, ok := op.(*plan.Run); ok {
		visible := *run
		visible.ProxyEnv = nil
		op = &visible
	}
	if data, err := json.Marshal(op); err == nil {
		_ = json.Unmarshal(data, &tr.Op) // an object always
	}
	return tr
}

// Dir keeps traces.
type Dir struct {
	Path string
	// Scope names the Dockerfile and context; without one nothing is kept.
	Scope string
}

// Reason says what of a step is not as it was when the step of this name last ran,
// "" if nothing is known of that. It notes how it is now.
func (d Dir) Reason(step string, now Trace) string {
	path := d.file(step)
	if path == "" {
		return ""
	}
	data, err := os.ReadFile(path)
	if next, merr := json.Marshal(now); merr == nil && !bytes.Equal(next, data) {
		write(path, next)
	}
	var before Trace
	if err != nil || json.Unmarshal(data, &before) != nil {
		return "this step has not run before"
	}
	changes := before.changes(now)
	if len(changes) == 0 {
		return "its result is no longer there"
	}
	if n := len(changes) - maxReasons; n > 0 {
		changes = append(changes[:maxReasons], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(changes, "; ")
}

// file names a step by where it stands, so that it is the same step when its text
// has changed.
func (d Dir) file(step string) string {
	at, _, ok := strings.Cut(step, "/")
	if d.Scope == "" || !ok || !strings.HasPrefix(at, "[") {
		return ""
	}
	sum := sha256.Sum256([]byte(d.Scope + "\n" + at))
	return filepath.Join(d.Path, hex.EncodeToString(sum[:16]))
}

// write replaces a trace. Failing costs an explanation.
func write(path string, data []byte) {
	if os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	_ = atomicfile.WriteFile(path, data, 0o600, atomicfile.Volatile)
}

// changes lists what differs, what the author wrote first.
func (tr Trace) changes(now Trace) []string {
	var out []string
	for _, field := range union(tr.Op, now.Op) {
		if was, is := tr.Op[field], now.Op[field]; !bytes.Equal(was, is) {
			was, is = onlyDifferent(was, is)
			out = append(out, field+" "+short(was)+" → "+short(is))
		}
	}
	for _, p := range union(tr.Files, now.Files) {
		switch was, is := tr.Files[p], now.Files[p]; {
		case was == is:
		case was == "":
			out = append(out, p+" is new")
		case is == "":
			out = append(out, p+" is gone")
		default:
			out = append(out, p+" "+was+" → "+is)
		}
	}
	if !slices.Equal(tr.Inputs, now.Inputs) {
		out = append(out, "what it reads from another stage or image changed")
	}
	if tr.Parent != now.Parent {
		out = append(out, "what is below it changed")
	}
	return out
}

// onlyDifferent leaves of two lists, as those of an environment, what is in one
// alone. Lists of the same elements, and what is no list, stay as they are.
func onlyDifferent(was, is json.RawMessage) (json.RawMessage, json.RawMessage) {
	var before, now []string
	if json.Unmarshal(was, &before) != nil || json.Unmarshal(is, &now) != nil {
		return was, is
	}
	gone, came := without(before, now), without(now, before)
	if len(gone)+len(came) == 0 {
		return was, is
	}
	return listed(gone), listed(came)
}

func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

func listed(list []string) json.RawMessage { return json.RawMessage(strings.Join(list, ", ")) }

func union[V any](a, b map[string]V) []string {
	keys := maps.Clone(a)
	if keys == nil {
		keys = map[string]V{}
	}
	maps.Copy(keys, b)
	return slices.Sorted(maps.Keys(keys))
}

// short is a value for people: not all of an environment or a script.
func short(v json.RawMessage) string {
	const most = 60
	if len(v) == 0 {
		return "nothing"
	}
	r := []rune(string(v))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}
