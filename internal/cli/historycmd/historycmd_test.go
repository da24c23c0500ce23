package historycmd

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/engine/builds"
	"cove/internal/cli/output"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func builtAndFailed() []builds.Record {
	built := builds.Record{
		ID: "aaaaaaaaaaaaaaaaaaaaaaaaa", Name: "app (test)", Status: builds.StatusCompleted,
		Started: noon.Add(-time.Hour), Ended: noon.Add(-time.Hour + 1400*time.Millisecond), Context: ".",
		Platforms: []string{"linux/amd64"}, Steps: 4, Done: 4, Cached: 1, Tags: []string{"docker.io/library/app:v1"},
		BuildArgs:   map[string]string{"VERSION": "1", "NPM_TOKEN": "***"},
		Materials:   []builds.Material{{URI: "pkg:docker/debian@12", Digest: digest.FromString("debian").String()}},
		Attachments: []builds.Attachment{{Digest: digest.FromString("doc"), Type: "https://slsa.dev/provenance/v1"}},
	}
	failed := builds.Record{
		ID: "bbbbbbbbbbbbbbbbbbbbbbbbb", Name: strings.Repeat("long ", 20), Status: builds.StatusFailed,
		Started: noon.Add(-48 * time.Hour), Ended: noon.Add(-48*time.Hour + 125*time.Second), Steps: 3, Done: 1,
		Failure: &builds.Failure{
			Text: "Dockerfile:2: RUN false: exit code: 1", Tail: []string{"no \x1b[2Jsuch thing"},
			Source: []byte("FROM a\nRUN false\n"), Location: builds.Location{File: "Dockerfile", Line: 2},
		},
	}
	return []builds.Record{built, failed}
}

func TestList(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"": `BUILD ID                    NAME                                       STATUS      CREATED AT          DURATION
aaaaaaaaaaaaaaaaaaaaaaaaa   app (test)                                 Completed   About an hour ago   1.4s
bbbbbbbbbbbbbbbbbbbbbbbbb   long long long long long long long long…   Error       2 days ago          2m 05s
`,
		"{{.ID}} {{.Steps}} {{.Tags}} {{.Error}}": "aaaaaaaaaaaaaaaaaaaaaaaaa 4/4 app:v1 \n" +
			"bbbbbbbbbbbbbbbbbbbbbbbbb 1/3  Dockerfile:2: RUN false: exit code: 1\n",
		"json": `{"cached_steps":1,"completed_at":"2026-01-02T11:00:01.4Z","completed_steps":4,"created_at":"2026-01-02T11:00:00Z",` +
			`"name":"app (test)","ref":"aaaaaaaaaaaaaaaaaaaaaaaaa","status":"Completed","total_steps":4}` + "\n",
	} {
		all := builtAndFailed()
		if format == "json" {
			all = all[:1]
		}
		var out bytes.Buffer
		if err := write(&out, output.Options{Format: format}, all, listing{now: noon}); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%s: got\n%s\nwant\n%s", format, out.String(), want)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0.0s", 1400 * time.Millisecond: "1.4s", 61 * time.Second: "1m 01s", 3723 * time.Second: "1h 02m 03s",
	} {
		if got := duration(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"status=error": "b", "status=Completed": "a", "name=app": "a", "id=bbb": "b", "since=2h": "a", "until=2h": "b",
		"status=error,name=app": "", "status=error,status=completed": "ab", "": "ab",
	} {
		var texts []string
		if text != "" {
			texts = strings.Split(text, ",")
		}
		f, err := parseFilters(texts)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, r := range builtAndFailed() {
			if f.match(r, noon) {
				got += r.ID[:1]
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	for _, bad := range []string{"status", "status=", "status=odd", "label=a", "since=soon"} {
		if _, err := parseFilters([]string{bad}); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func TestPretty(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	for _, r := range builtAndFailed() {
		r.Started = r.Started.Local()
		if err := pretty(&out, r, inspectedOf(r, noon)); err != nil {
			t.Fatal(err)
		}
	}
	got := strings.ReplaceAll(out.String(), noon.Add(-time.Hour).Local().Format(time.DateTime), "STARTED")
	got = strings.ReplaceAll(got, noon.Add(-48*time.Hour).Local().Format(time.DateTime), "STARTED")
	for _, want := range []string{
		"Name:          app (test)\nRef:           aaaaaaaaaaaaaaaaaaaaaaaaa\nContext:       .\nPlatforms:     linux/amd64\n" +
			"Started:       STARTED\nDuration:      1.4s\nBuild Steps:   4/4 (25% cached)\nTag:           app:v1\n",
		"\nBuild Args:\nBUILD ARG   VALUE\nNPM_TOKEN   ***\nVERSION     1\n",
		"\nMaterials:\nURI                    DIGEST\npkg:docker/debian@12   " + digest.FromString("debian").String() + "\n",
		"PLATFORM   TYPE\n", "https://slsa.dev/provenance/v1\n", "Status:        Error\n",
		"\nError: Dockerfile:2: RUN false: exit code: 1\nno such thing\nDockerfile:2\n", "   2 | >>> RUN false\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nhas no\n%s", got, want)
		}
	}
}

func TestChosenDocument(t *testing.T) {
	t.Parallel()
	doc := builds.Attachment{Digest: digest.FromString("doc"), Type: "https://slsa.dev/provenance/v0.2", Platform: "linux/amd64"}
	for _, c := range []struct {
		kind, platform, sum string
		want                bool
	}{
		{"", "", "", true},
		{"provenance", "", "", true},
		{"sbom", "", "", false},
		{"https://slsa.dev/provenance/v0.2", "", "", true},
		{"https://slsa.dev/provenance/v1", "", "", false},
		{"", "linux/arm64", "", false},
		{"", "", doc.Digest.String()[:12], true},
		{"", "", "sha256:00", false},
	} {
		if chosen(doc, c.kind, c.platform, c.sum) != c.want {
			t.Errorf("%+v", c)
		}
	}
}
