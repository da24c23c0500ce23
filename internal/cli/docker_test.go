package cli

import (
	"errors"
	"io/fs"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// docker is the command line of docker that `make deps-test` brings.
const docker = "../../.cache/tools/docker-28.2"

// dockerVerbs are the commands of docker's that are compared, flag by flag.
var dockerVerbs = []string{
	"attach", "commit", "container prune", "cp", "create", "diff", "events", "exec", "export", "history", "image inspect",
	"image ls", "image prune", "images", "import", "info", "inspect", "kill", "load", "login", "logout", "logs", "network connect",
	"network create", "network disconnect", "network inspect", "network ls", "network prune", "network rm", "pause", "port", "ps",
	"pull", "push", "rename", "restart", "rm", "rmi", "run", "save", "search", "start", "stats", "stop", "system df",
	"system events", "system info", "system prune", "tag", "top", "unpause", "update", "version", "volume create",
	"volume inspect", "volume ls", "volume prune", "volume rm", "volume update", "wait",
}

var dockerFlag = regexp.MustCompile(`(?m)^ +(?:-(\w), |    )--([a-z0-9-]+)`)

// TestEveryFlagOfDocker holds the flags of docker's command line, and their letters,
// against cove's: each is known, to be obeyed or to be refused by name.
func TestEveryFlagOfDocker(t *testing.T) {
	t.Parallel()
	known := map[string]*cobra.Command{}
	for _, v := range dockerVerbs {
		cmd, _, err := Cove(here).Tree().Find(strings.Fields(v))
		if err != nil {
			t.Fatalf("%s: %v", v, err)
		}
		known[v] = cmd
	}
	flags := 0
	for _, v := range dockerVerbs {
		out, err := exec.Command(docker, append(strings.Fields(v), "--help")...).Output()
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("needs docker's command line, which make deps-test brings")
		}
		if err != nil {
			t.Fatalf("docker %s --help: %v", v, err)
		}
		for _, m := range dockerFlag.FindAllStringSubmatch(string(out), -1) {
			letter, name := m[1], m[2]
			flags++
			f := known[v].Flag(name)
			switch {
			case f == nil:
				t.Errorf("%s has no --%s", v, name)
			case letter != "" && f.Shorthand != letter:
				t.Errorf("%s --%s has the letter %q, docker's %q", v, name, f.Shorthand, letter)
			}
		}
	}
	if flags < 300 {
		t.Errorf("read %d flags of docker's help", flags)
	}
}
