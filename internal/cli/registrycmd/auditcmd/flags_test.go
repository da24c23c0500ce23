package auditcmd

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"cove/registry/api"
)

var now = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

func typed(t *testing.T, args ...string) *Flags {
	t.Helper()
	var f Flags
	set := pflag.NewFlagSet("list", pflag.ContinueOnError)
	f.Add(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &f
}

func TestQuery(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                                  "",
		"--since=24h":                       "since=2026-01-01T00%3A00%3A00Z",
		"--until=2026-01-01T12:00:00+01:00": "until=2026-01-01T11%3A00%3A00Z",
		"--user=ann --action=project.create --object=team": "action=project.create&actor=ann&object=team",
	} {
		q, err := typed(t, strings.Fields(args)...).Query(now)
		if err != nil || q.Encode() != want {
			t.Errorf("%s: %s, %v; want %s", args, q.Encode(), err, want)
		}
	}
	for _, wrong := range []string{"--since=yesterday", "--until=2026", "--limit=0", "--limit=-1"} {
		if q, err := typed(t, wrong).Query(now); err == nil {
			t.Errorf("%s is taken: %v", wrong, q)
		}
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	two := func(show func(api.Event) error) error {
		return errors.Join(
			show(api.Event{ID: "7", At: now, Actor: "ann", Action: "project.create", Object: "team"}),
			show(api.Event{ID: "6", At: now, Actor: "bob", Action: "artifact.pull", Object: "team/app", From: "192.0.2.1"}),
		)
	}
	for args, want := range map[string]string{
		"--format={{.ID}}": "7\n6\n",
		"": "TIME                      USER   ACTION           OBJECT     DETAIL\n" +
			"2026-01-02 00:00:00 UTC   ann    project.create   team       \n" +
			"2026-01-02 00:00:00 UTC   bob    artifact.pull    team/app   192.0.2.1\n",
	} {
		var out strings.Builder
		if err := typed(t, strings.Fields(args)...).Print(&out, two); err != nil || out.String() != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", args, err, &out, want)
		}
	}
	if err := typed(t, "--format={{.Nothing}}").Print(&strings.Builder{}, two); err == nil {
		t.Error("a field that there is not is printed")
	}
	down := errors.New("down")
	if err := typed(t).Print(&strings.Builder{}, func(func(api.Event) error) error { return down }); !errors.Is(err, down) {
		t.Errorf("told %v", err)
	}
}
