package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamagedContainers: a container whose files cannot be read keeps nobody from the others,
// is named, and goes with rm -f.
func TestDamagedContainers(t *testing.T) {
	t.Parallel()
	k := newShell(t)
	k.do(`cove import rootfs.tar box; cove volume create kept
cove create --name other -v kept:/v box true; cove run -d --name runs box sleep 1000`)
	write := func(text string, names ...string) func(dir string) error {
		return func(dir string) error {
			for _, name := range names {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					return err
				}
			}
			return nil
		}
	}
	remove := func(names ...string) func(dir string) error {
		return func(dir string) error {
			for _, name := range names {
				if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	for _, tc := range []struct {
		name    string
		harm    func(dir string) error
		unknown bool // what it has of volumes and images
	}{
		{"state garbled", write(`{"status":`, "state.json"), false},
		{"state empty", write("", "state.json"), false},
		{"state gone", remove("state.json"), false},
		{"state a directory", func(dir string) error {
			name := filepath.Join(dir, "state.json")
			if err := os.Remove(name); err != nil {
				return err
			}
			return os.Mkdir(name, 0o700)
		}, false},
		{"name empty", write("", "name"), false},
		{"configs zero", write("\x00\x00\x00", "config.json", "brief.json"), true},
		{"configs gone", remove("config.json", "brief.json"), true},
		{"all gone", remove("config.json", "brief.json", "state.json", "name", "control.lock"), true},
		{"changes garbled", write("{", "updated"), false},
		{"networks garbled", write("{", "networks"), false},
	} {
		for _, life := range []string{"create", "run -d"} {
			id := strings.TrimSpace(k.do("cove " + life + " --name broken box sleep 1000"))
			if err := tc.harm(filepath.Join(k.root(), "containers", id)); err != nil {
				t.Fatal(err)
			}
			told := k.do("cove ps -a --format '{{.ID}} {{.Names}}'")
			if !strings.Contains(told, " other\n") || !strings.Contains(told, " runs\n") || !strings.Contains(told, id[:12]) ||
				!strings.Contains(told, "WARNING: ") || !strings.Contains(told, "rm -f "+id[:12]) {
				t.Errorf("%s after %s: ps -a printed\n%s", tc.name, life, told)
			}
			k.do("cove ps; cove ps -s; cove stats --no-stream; cove images; cove volume ls; cove network ls; cove system df; cove info")
			k.do("cove inspect other; cove run --rm -v /anonymous box true; cove exec runs true; cove doctor")
			if out, err := k.command("cove start broken || cove start " + id).CombinedOutput(); err == nil {
				t.Errorf("%s after %s: it was started:\n%s", tc.name, life, out)
			}
			out, err := k.command("cove volume rm kept").CombinedOutput()
			if err == nil || tc.unknown && !strings.Contains(string(out), "remove it with: rm -f ") {
				t.Errorf("%s after %s: volume rm: %v, %s", tc.name, life, err, out)
			}
			k.do("cove rm -f " + id[:12])
			if told := k.do("cove ps -aq --no-trunc; cove doctor"); strings.Contains(told, id) || strings.Contains(told, "WARNING") {
				t.Errorf("%s after %s: it is still there:\n%s", tc.name, life, told)
			}
		}
	}
	if left := k.do("cove rm -f other runs; cove volume rm kept; cove system prune -af --volumes; cove doctor"); strings.Contains(left, "left behind") {
		t.Error(left)
	}
}

// TestDamagedOthers: so it is with a volume, a network and the name of an image.
func TestDamagedOthers(t *testing.T) {
	t.Parallel()
	k := newShell(t)
	k.do(`cove import rootfs.tar box; cove tag box other
cove volume create whole; cove volume create broken; cove run --rm -v broken:/v box touch /v/precious
cove network create whole; cove network create broken`)
	id := strings.TrimSpace(k.do("cove network inspect -f '{{.Id}}' broken"))
	for _, tc := range []struct {
		name, file string
		harm       func(name string) error
	}{
		{"volume garbled", "volumes/broken/volume.json", func(name string) error { return os.WriteFile(name, nil, 0o600) }},
		{"volume gone", "volumes/broken/volume.json", os.Remove},
		{"network", "network/named/" + id + "/network.json", func(name string) error { return os.WriteFile(name, []byte("{"), 0o600) }},
		{"image", "names/*", func(name string) error {
			text, err := os.ReadFile(name)
			if err != nil || !strings.Contains(string(text), "other") {
				return err
			}
			return os.WriteFile(name, text[:10], 0o600)
		}},
	} {
		names, err := filepath.Glob(filepath.Join(k.root(), tc.file))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %v", tc.file, names, err)
		}
		for _, name := range names {
			if err := tc.harm(name); err != nil {
				t.Fatal(err)
			}
		}
		told := k.do("cove volume ls; cove network ls; cove images; cove run --rm --network whole -v whole:/w box true; cove ps -a; cove doctor")
		if strings.Count(told, "whole") != 2 || !strings.Contains(told, "box ") || !strings.Contains(told, "WARNING: ") ||
			!strings.Contains(told, "cannot be read") {
			t.Errorf("%s: the lists are\n%s", tc.name, told)
		}
		if out, err := k.command("timeout 20 cove run --rm -v broken:/v box true").CombinedOutput(); strings.HasPrefix(tc.name, "volume") && err == nil {
			t.Errorf("%s: it was used:\n%s", tc.name, out)
		}
	}
	if _, err := os.Stat(filepath.Join(k.root(), "volumes/broken/_data/precious")); err != nil {
		t.Error(err)
	}
	if out, err := k.command("cove system prune -f").CombinedOutput(); err == nil || !strings.Contains(string(out), "image name file") {
		t.Errorf("a prune with an image that cannot be read: %v\n%s", err, out)
	}
	k.do("cove volume rm broken; cove network rm " + id[:12] + "; cove tag box other")
	if told := k.do("cove volume ls -q; cove network ls -q --no-trunc; cove images; cove run --rm other true; cove doctor"); strings.Contains(told, "WARNING") ||
		strings.Contains(told, "broken") || strings.Contains(told, id) || strings.Contains(told, "left behind") {
		t.Errorf("once they were removed:\n%s", told)
	}
}
