package command

import (
	"testing"

	"github.com/spf13/cobra"
)

func TestOwned(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ project, name, want string }{
		{"", "", "/robots"},
		{"", "ci", "/robots/ci"},
		{"team", "", "/projects/team/robots"},
		{"team", "ci", "/projects/team/robots/ci"},
		{"team", "a b", "/projects/team/robots/a%20b"},
		{"", "robot$team+ci", "/projects/team/robots/ci"},
		{"other", "robot$team+ci", "/projects/team/robots/ci"}, // a full name says it itself
		{"other", "robot$ci", "/robots/ci"},
	} {
		o := Owned{What: "robot", Noun: "robots", Prefix: "robot$"}
		cmd := &cobra.Command{}
		o.Flags(cmd)
		if err := cmd.ParseFlags([]string{"--project", tt.project}); err != nil {
			t.Fatal(err)
		}
		if got := o.Path(tt.name); got != tt.want {
			t.Errorf("--project %q %q: %s, want %s", tt.project, tt.name, got, tt.want)
		}
	}
}
