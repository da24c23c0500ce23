package listing

import (
	"errors"
	"testing"
	"time"

	"cove/errdefs"
	"cove/network/definition"
	"cove/runner/record"
)

// another is a container that ended, an hour after it was made.
func another() Container {
	c := running()
	c.Name, c.Image, c.ImageID, c.Labels, c.Mounts = "db", "localhost:5000/pg:15", "sha256:beef", map[string]string{"tier": "db"}, nil
	c.Created = noon
	c.State.Status, c.State.ExitCode = record.Exited, 3
	c.Network.Ports = c.State.Network.Ports
	c.Asked = &record.Asked{Image: record.ImageConfig{ExposedPorts: map[string]struct{}{"5432": {}, "9000/udp": {}}}}
	return c
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestFilter(t *testing.T) {
	t.Parallel()
	created := func(ref string) (time.Time, error) {
		if ref != "mid" {
			return time.Time{}, errdefs.Errorf(errdefs.ErrNotFound, "No such container: %s", ref)
		}
		return noon.Add(-time.Minute), nil
	}
	for _, tt := range []struct {
		key    string
		values []string
		web    bool // running() is chosen
		db     bool // another() is
	}{
		{"volume", []string{"data"}, true, false},
		{"volume", []string{"/srv"}, true, false},
		{"volume", []string{"/data"}, true, false},
		{"volume", []string{"other"}, false, false},
		{"network", []string{"bridge"}, true, true},
		{"network", []string{"none"}, false, false},
		{"network", []string{definition.PredefinedID("bridge")}, true, true},
		{"network", []string{definition.PredefinedID("bridge")[:12]}, true, true},
		{"network", []string{definition.PredefinedID("host")}, false, false},
		{"label", []string{"team"}, true, false},
		{"label", []string{"team=y"}, false, false},
		{"label", []string{"team", "tier"}, false, false}, // all of them
		{"ancestor", []string{running().ImageID}, true, false},
		{"ancestor", []string{another().ImageID}, false, true},
		{"ancestor", []string{"redis"}, false, false},
		{"name", []string{"/we"}, true, false},
		{"name", []string{"^/db$"}, false, true},
		{"name", []string{"^w", "^d"}, true, true},
		{"name", []string{"w.b"}, true, false},
		{"exited", []string{"0", "3"}, false, true},
		{"status", []string{"exited"}, false, true},
		{"status", []string{"dead"}, false, false},
		{"is-task", []string{"true"}, false, false},
		{"is-task", []string{"0"}, true, true},
		{"before", []string{"mid"}, true, false},
		{"since", []string{"mid"}, false, true},
		{"publish", []string{"8080"}, true, false}, // the host's, of one that runs, as docker has it
		{"publish", []string{"8000-8090/tcp"}, true, false},
		{"publish", []string{"53/udp"}, true, false},
		{"publish", []string{"80"}, false, false},
		{"publish", []string{"75-90/tcp"}, false, false},
		{"expose", []string{"5432/tcp"}, false, true},
		{"expose", []string{"9000/udp"}, false, true},
		{"expose", []string{"80"}, false, true},
		{"expose", []string{"9000"}, false, false},
		{"health", []string{"none"}, true, true},
		{"id", []string{"ab"}, true, true},
		{"id", []string{""}, false, false}, // a script's variable that was not set
	} {
		matches, err := Filter{Terms: map[string][]string{tt.key: tt.values}}.compile(created)
		if err != nil {
			t.Fatal(err)
		}
		if web, db := matches(running()), matches(another()); web != tt.web || db != tt.db {
			t.Errorf("%s=%s: %v and %v, want %v and %v", tt.key, tt.values, web, db, tt.web, tt.db)
		}
	}
	for key, value := range map[string]string{
		"status": "dead-ish", "colour": "red", "exited": "x", "is-task": "maybe", "name": "(", "publish": "x", "health": "ill",
	} {
		if _, err := (Filter{Terms: map[string][]string{key: {value}}}).compile(created); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s=%s: got %v, want ErrInvalid", key, value, err)
		}
	}
	if _, err := (Filter{Terms: map[string][]string{"before": {"nosuch"}}}).compile(created); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("before=nosuch: %v", err)
	}
}

func TestFilterOfWhatRuns(t *testing.T) {
	t.Parallel()
	for f, want := range map[*Filter]bool{
		{}: true, {Running: true}: false, {Running: true, Last: 1}: true,
		{Running: true, Terms: map[string][]string{"status": {"exited"}}}: true,
	} {
		matches, err := f.compile(nil)
		if err != nil || matches(another()) != want || !f.Running && !matches(running()) {
			t.Errorf("%+v: %v", f, err)
		}
	}
}
