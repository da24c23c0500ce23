package runner_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"cove/runner"
	"cove/runner/record"
)

// holderVariable makes this program one that holds a container still for ever: its root
// and id.
const holderVariable = "COVE_TEST_HOLDER"

func holdStill() {
	where := strings.Split(os.Getenv(holderVariable), "\n")
	r, err := runner.Open(runner.Options{Root: where[0]})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := r.Get(context.Background(), where[1])
	if err == nil {
		err = c.HoldStill(context.Background(), func(record.State) error {
			fmt.Println("held")
			select {}
		})
	}
	fmt.Println(err)
}

// TestHolderIsKilled: who reads the files of a container that runs, as commit does,
// freezes it, and is killed with -9. Whoever looks next finds it running again; as long
// as the holder lives it stays frozen, and what a person paused stays paused.
func TestHolderIsKilled(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	c := f.start(f.config("while :; do sleep 0.05; done"))
	for what, look := range map[string]func() error{
		"a look": func() error { return nil },
		"exec": func() error {
			_, _, err := f.exec(c, record.ExecConfig{Args: []string{"true"}}, "")
			return err
		},
		"pause": func() error {
			if err := c.Pause(ctx); err != nil {
				return err
			}
			if st := f.state(c); st.Status != record.Paused {
				t.Errorf("paused by a person: %s", st.Status)
			}
			return c.Unpause(ctx)
		},
		"another holder": func() error { return c.HoldStill(ctx, func(record.State) error { return nil }) },
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s\n%s", holderVariable, f.root, c.ID()))
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
			t.Fatalf("%q, %v", line, err)
		}
		if st := f.state(c); st.Status != record.Paused {
			t.Errorf("%s: held, it is %s", what, st.Status)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err := look(); err != nil {
			t.Errorf("%s after the kill: %v", what, err)
		}
		if st := f.state(c); st.Status != record.Running {
			t.Errorf("%s after the kill: it is %s", what, st.Status)
		}
	}
	if err := c.Remove(ctx, true); err != nil {
		t.Error(err)
	}
}
