package registrycmd

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// reader follows docs/admin.md on a registry of his own.
type reader struct {
	*testing.T
	p *process
}

// step is what stands around a command of the document: what it takes before, what a reader
// puts in the place of an example, and what must have come of it.
type step struct {
	command string // the beginning of it
	before  func(r *reader)
	put     func(r *reader) map[string]string
	says    string
	skip    string // a reason
}

// do runs a command of a reader's own on the root.
func (r *reader) do(args ...string) string {
	r.Helper()
	out, errs, code := here(r.T, "", append(args, "--root", r.p.root)...)
	if code != 0 {
		r.Fatalf("registry %s: %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return strings.TrimSpace(out)
}

// first is the first line of what a command prints.
func (r *reader) first(args ...string) string {
	line, _, _ := strings.Cut(r.do(args...), "\n")
	return line
}

// image pushes a tag of team/app that names an image with an old package.
func (r *reader) image(tag string) {
	pushImage(r.T, r.p, "team/app", tag, layerOf(r.T, "app/node_modules/left-pad/package.json", `{"name":"left-pad","version":"1.2.0"}`))
}

// steps are the commands of docs/admin.md that take more than to be typed, in its order.
var steps = []step{
	{command: "registry repository ls team", before: func(r *reader) { r.image("v1"); r.image("latest") }, says: "team/app"},
	{command: "registry tag space", put: func(r *reader) map[string]string {
		signIn(r.T, r.p.Address, "admin", testPassword)
		return map[string]string{"URL": "http://" + r.p.Address}
	}},
	{command: "registry tag history", before: func(r *reader) { push(r.T, r.p, "team/app", "latest", "another") }},
	{command: "registry tag restore team/app:v1", says: "v1"},
	{command: "registry immutable rm team RULE", put: func(r *reader) map[string]string {
		return map[string]string{"RULE": r.first("immutable", "ls", "team", "--format", "{{.ID}}")}
	}},
	{command: "registry repository mv", before: func(r *reader) {
		push(r.T, r.p, "team/other", "v1", "other") // team/app is a former name by now
		r.do("project", "create", "platform")
	}, put: func(*reader) map[string]string { return map[string]string{"team/app ": "team/other "} }},
	{command: "registry repository former crew", says: "team/app"},
	{command: "registry quota list", before: func(r *reader) { r.do("project", "rename", "crew", "team") }},
	{command: "registry quota explain", before: func(r *reader) { r.image("v1") }},
	{command: "registry scan db import all.zip", before: func(r *reader) {
		r.file("all.zip", []byte(flaws))
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err := w.Write([]byte(`{"curl":{"CVE-2024-1234":{"releases":{"bookworm":{"status":"open","urgency":"high"}}}}}`))
		if err = errors.Join(err, w.Close()); err != nil {
			r.Fatal(err)
		}
		r.file("debian.json.gz", packed.Bytes())
	}},
	{command: "registry scan show", before: func(r *reader) { r.do("scan", "run", "team/app:v1", "--wait") }},
	{command: "registry scan cve", put: func(*reader) map[string]string { return map[string]string{"CVE-2021-44228": "CVE-2024-1"} }, says: "team/app"},
	{command: "registry scan scanner test trivy", skip: "it needs such a scanner; TestScannersOfOthers has one"},
	{command: "registry webhook retry team ci 123273128877563084", put: func(r *reader) map[string]string {
		id := r.first("webhook", "deliveries", "team", "ci", "--format", "{{.ID}}")
		r.do("webhook", "stop", "team", "ci", id)
		return map[string]string{"123273128877563084": id}
	}},
	{command: "registry retention run team", before: func(r *reader) { r.do("job", "pause", "retention") }},
	{command: "registry retention rm team RULE", put: func(r *reader) map[string]string {
		return map[string]string{"RULE": r.first("retention", "ls", "team", "--format", "{{.ID}}")}
	}},
	{command: "registry job show 94873294873", put: (*reader).waiting, says: "waiting"},
	{command: "registry job stop 94873294873", put: (*reader).waiting},
	{command: "registry job retry 94873294873", put: func(r *reader) map[string]string {
		return map[string]string{"94873294873": r.first("job", "ls", "--kind", "retention", "--state", "stopped", "--format", "{{.ID}}")}
	}},
	{command: "registry job queues", says: "retention"},
}

// waiting is the job that waits for the kind that is paused.
func (r *reader) waiting() map[string]string {
	return map[string]string{"94873294873": r.first("job", "ls", "--kind", "retention", "--state", "waiting", "--format", "{{.ID}}")}
}

func (r *reader) file(name string, content []byte) {
	r.Helper()
	if err := os.WriteFile(filepath.Join(r.p.root, "..", name), content, 0o600); err != nil {
		r.Fatal(err)
	}
}

// words has a shell take a line apart.
func (r *reader) words(line string) []string {
	r.Helper()
	cmd := exec.Command("sh", "-c", "set -f; set -- "+line+"\nprintf '%s\\0' \"$@\"")
	cmd.Env = append(os.Environ(), "SECRET=s3cret", "TOKEN=t0ken")
	out, err := cmd.Output()
	if err != nil {
		r.Fatalf("%s: %v", line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

var (
	typed    = regexp.MustCompile(`^    (registry .*|printf .* \| registry .*)$`)
	optional = regexp.MustCompile(` \[[^\]]*\]`)
)

// TestAdminDocument does what docs/admin.md says, in its order: each of its commands ends well.
func TestAdminDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/admin.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := &reader{T: t, p: serve(t, filepath.Join(dir, "root"), "--tls=off")}
	r.do("project", "create", "team")
	next, done := 0, 0
	for line := range strings.Lines(string(text)) {
		m := typed.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		command, around := optional.ReplaceAllString(m[1], ""), step{}
		if next < len(steps) && strings.HasPrefix(command, steps[next].command) {
			around = steps[next]
			next++
		}
		if around.skip != "" {
			t.Logf("%s: not done, for %s", command, around.skip)
			continue
		}
		if around.before != nil {
			around.before(r)
		}
		if around.put != nil {
			for old, by := range around.put(r) {
				command = strings.ReplaceAll(command, old, by)
			}
		}
		stdin := ""
		if before, after, piped := strings.Cut(command, " | "); piped {
			stdin, command = strings.Join(r.words(before)[2:], "\n")+"\n", after
		}
		args := r.words(command)[1:]
		for i, arg := range args {
			if strings.HasPrefix(arg, "all.zip") || strings.HasPrefix(arg, "debian.json") {
				args[i] = filepath.Join(dir, arg)
			}
		}
		if !slices.Contains(args, "--server") {
			args = append(args, "--root", r.p.root)
		}
		out, errs, code := here(t, stdin, args...)
		if code != 0 || !strings.Contains(out+errs, around.says) {
			t.Errorf("%s: %d, want %q\n%s%s", command, code, around.says, out, errs)
		}
		done++
	}
	if next < len(steps) {
		t.Errorf("the document has no %q where the test expects it", steps[next].command)
	}
	t.Logf("%d commands", done)
}
