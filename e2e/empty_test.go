package e2e

import (
	"strings"
	"testing"
)

// TestEmptyArguments gives verbs an empty text, as a script does whose variable is not set. The
// exit codes are docker's, and so are the words.
func TestEmptyArguments(t *testing.T) {
	t.Parallel()
	k := newShell(t)
	k.do("cove import rootfs.tar box; cove run -d --name web box sleep 1000; cove volume create data; cove network create apart")
	for _, tc := range []struct {
		args, says string
		code       int
	}{
		{"run --rm box ''", "an empty command names no program", 127},
		{"exec web ''", "an empty command names no program", 127},
		{"run --rm ''", "the repository is missing", 125},
		{"run --rm --network '' box true", "no name set for network", 125},
		{"run --rm -v '' box true", "invalid empty volume spec", 125},
		{"run --rm --pull '' --dns-option '' --name '' -w '' -u '' -h '' --restart '' box echo ran", "ran", 0},
		{"exec -e '' web true", "invalid environment variable", 125},
		{"exec -u '' -w '' web echo ran", "ran", 0},
		{"start ''", "value is empty", 1},
		{"stop ''", "value is empty", 1},
		{"rm -f ''", "value is empty", 1},
		{"inspect ''", "No such object", 1},
		{"inspect -f '' web", `"Name": "/web"`, 0},
		{"rename web ''", "name", 1},
		{"logs --tail '' web", "", 0},
		{"top web ''", "sleep 1000", 0},
		{"kill -s '' none", "o such container", 1},
		{"cp '' web:/", "can not be empty", 1},
		{"cp web:/bin/sh ''", "can not be empty", 1},
		{"commit web ''", "sha256:", 0},
		{"update --restart '' web", "web", 0},
		{"ps -f '' --format ''", "web", 0},
		{"images ''", "box", 0},
		{"images -f ''", "box", 0},
		{"tag box ''", "the repository is missing", 1},
		{"import ''", "no file is named", 1},
		{"volume create -d '' other", "other", 0},
		{"volume create --label '' other", "want KEY=VALUE", 125},
		{"volume rm -f ''", "value is empty", 1},
		{"volume ls -f ''", "data", 0},
		{"network create --subnet '' --gateway '' --ip-range '' -o '' -d '' more", "", 0},
		{"network create ''", "network", 1},
		{"network rm -f ''", "value is empty", 1},
		{"network connect '' web", "no name set for network", 1},
		{"network connect apart ''", "value is empty", 1},
		{"network disconnect '' web", "value is empty", 1},
		{"network ls -f ''", "apart", 0},
		{"container prune -f --filter ''", "Total reclaimed space", 0},
	} {
		cmd := k.command("timeout 60 cove " + tc.args)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != tc.code || !strings.Contains(string(out), tc.says) {
			t.Errorf("cove %s: exit code %d, want %d with %q\n%s", tc.args, code, tc.code, tc.says, out)
		}
	}
}
