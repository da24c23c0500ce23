package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/engine/containers"
	"cove/engine/files"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/runner"
	"cove/runner/record"
)

// model is what a container is to be after some verbs.
type model struct {
	gone   bool
	status record.Status // Running, Paused or Exited
	name   string
}

// result is how a verb ended.
type result string

const (
	fine     result = "fine"
	conflict result = "conflict"
	notFound result = "not found"
)

func resultOf(err error) result {
	switch {
	case err == nil:
		return fine
	case errors.Is(err, errdefs.ErrNotFound):
		return notFound
	case errors.Is(err, errdefs.ErrConflict):
		return conflict
	}
	return result(err.Error())
}

// verb is one that is done, and what it does to a model: after lists how it may
// end, with the model then. One that only sends a signal, or looks, may find the
// container as it was a moment before.
type verb struct {
	name  string
	do    func(ctx context.Context, e *Engine, id, arg string) error
	after func(m model, arg string) map[result]model
	// begins is what it does first, when that is an act of its own: rm -f kills,
	// and then removes.
	begins func(m model) model
}

// on makes after of what a verb does to a container that is there.
func on(does func(m model) (result, model)) func(model, string) map[result]model {
	return func(m model, _ string) map[result]model {
		if m.gone {
			return map[result]model{notFound: m}
		}
		r, to := does(m)
		return map[result]model{r: to}
	}
}

func kills(m model) model {
	if !m.gone {
		m.status = record.Exited
	}
	return m
}

// late adds the ends of a verb that came too late to know.
func late(after func(model, string) map[result]model) func(model, string) map[result]model {
	return func(m model, arg string) map[result]model {
		ends := after(m, arg)
		if m.gone || m.status == record.Exited {
			for _, r := range []result{fine, conflict} {
				if _, ok := ends[r]; !ok {
					ends[r] = m
				}
			}
		}
		return ends
	}
}

func become(status record.Status, from ...record.Status) func(m model) (result, model) {
	return func(m model) (result, model) {
		if len(from) > 0 && !slices.Contains(from, m.status) {
			return conflict, m
		}
		m.status = status
		return fine, m
	}
}

func with(do func(ctx context.Context, c *runner.Container) error) func(context.Context, *Engine, string, string) error {
	return func(ctx context.Context, e *Engine, id, _ string) error {
		c, err := e.Container(ctx, id)
		if err != nil {
			return err
		}
		return do(ctx, c)
	}
}

var verbs = []verb{
	{"start", with(func(ctx context.Context, c *runner.Container) error { return c.Start(ctx) }), on(become(record.Running, record.Running, record.Exited)), nil},
	{"stop", with(func(ctx context.Context, c *runner.Container) error { return c.Stop(ctx, 0) }), late(on(become(record.Exited))), nil},
	{"kill", with(func(ctx context.Context, c *runner.Container) error { return c.Kill(ctx, unix.SIGKILL) }), late(on(become(record.Exited, record.Running, record.Paused))), nil},
	{"restart", with(func(ctx context.Context, c *runner.Container) error { return c.Restart(ctx, 0) }), on(become(record.Running)), kills},
	{"pause", with(func(ctx context.Context, c *runner.Container) error { return c.Pause(ctx) }), on(become(record.Paused, record.Running)), nil},
	{"unpause", with(func(ctx context.Context, c *runner.Container) error { return c.Unpause(ctx) }), on(become(record.Running, record.Paused)), nil},
	{"rm", func(ctx context.Context, e *Engine, id, _ string) error { return e.Remove(ctx, id, false, false) }, on(func(m model) (result, model) {
		if m.status != record.Exited {
			return conflict, m
		}
		m.gone = true
		return fine, m
	}), nil},
	{"rm -f", func(ctx context.Context, e *Engine, id, _ string) error { return e.Remove(ctx, id, true, false) }, func(m model, _ string) map[result]model {
		if m.gone { // before it was looked for, or while it was to be removed
			return map[result]model{notFound: m, fine: m}
		}
		m.gone = true
		return map[result]model{fine: m}
	}, kills},
	{
		"rename", func(ctx context.Context, e *Engine, id, arg string) error {
			c, err := e.Container(ctx, id)
			if err != nil {
				return err
			}
			return c.Rename(ctx, arg)
		}, func(m model, arg string) map[result]model {
			if m.gone {
				return map[result]model{notFound: m}
			}
			m.name = arg
			return map[result]model{fine: m}
		}, nil,
	},
	{"exec", with(func(ctx context.Context, c *runner.Container) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err := c.Exec(ctx, record.ExecConfig{Args: []string{"true"}}, runner.Streams{})
		if errors.Is(err, context.DeadlineExceeded) {
			return nil // it began, and the pause that came next froze it
		}
		return err
	}), late(on(become(record.Running, record.Running))), nil},
	{"commit", func(ctx context.Context, e *Engine, id, _ string) error {
		_, err := e.Commit(ctx, id, files.CommitOptions{})
		return err
	}, on(func(m model) (result, model) { return fine, m }), nil},
	{"cp", func(ctx context.Context, e *Engine, id, _ string) error {
		_, err := e.CopyIn(ctx, "/etc/hostname", id, "/tmp/copied", files.CopyOptions{})
		return err
	}, on(func(m model) (result, model) { return fine, m }), nil},
}

// op is a verb that was done, and how it ended.
type op struct {
	verb verb
	arg  string
	got  result
	err  error
}

// explained reports whether some order of the ops gives their results and ends
// in what is there.
func explained(m model, left []op, end model) bool {
	if len(left) == 0 {
		return m.gone == end.gone && (m.gone || m == end)
	}
	for i, o := range left {
		to, ok := o.verb.after(m, o.arg)[o.got]
		if ok && explained(to, slices.Concat(left[:i:i], left[i+1:]), end) {
			return true
		}
		if o.verb.begins != nil {
			begun := o
			begun.verb.begins = nil
			if explained(o.verb.begins(m), slices.Concat(left[:i:i], []op{begun}, left[i+1:]), end) {
				return true
			}
		}
	}
	return false
}

// TestAsSomeOrderWould does two to eight verbs on one container at once: every
// pair, and groups by chance. The results and what is left are those of doing
// them one after the other in some order. T42.
func TestAsSomeOrderWould(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rnd := rand.New(rand.NewPCG(42, 42))
	var groups [][]verb
	for i, a := range verbs {
		for _, b := range verbs[i:] {
			groups = append(groups, []verb{a, b})
		}
	}
	for range 24 {
		group := make([]verb, 3+rnd.IntN(6))
		for i := range group {
			group[i] = verbs[rnd.IntN(len(verbs))]
		}
		groups = append(groups, group)
	}
	if testing.Short() {
		groups = groups[:len(groups)/4]
	}
	var cases sync.WaitGroup
	slots := make(chan struct{}, 3)
	for n, group := range groups {
		status := []record.Status{record.Running, record.Exited, record.Paused}[rnd.IntN(3)]
		slots <- struct{}{}
		cases.Go(func() {
			defer func() { <-slots }()
			if why := atOnce(t, e, fmt.Sprintf("case-%d", n), status, group); why != "" {
				t.Errorf("case %d: %s", n, why)
			}
		})
	}
	cases.Wait()
	t.Logf("%d cases", len(groups))
}

// inStatus makes a container in a status.
func inStatus(ctx context.Context, e *Engine, name string, status record.Status) (*runner.Container, error) {
	c, err := made(ctx, e, containers.CreateOptions{
		Options: runspec.Options{Image: "busybox", Network: "none", Command: []string{"sleep", "1000"}}, Name: name,
	})
	if err == nil {
		err = c.Start(ctx)
	}
	switch {
	case err == nil && status == record.Paused:
		err = c.Pause(ctx)
	case err == nil && status == record.Exited:
		err = c.Kill(ctx, unix.SIGKILL)
	}
	return c, err
}

// atOnce does a group of verbs at once on a new container, and tells what no
// order explains.
func atOnce(t *testing.T, e *Engine, name string, status record.Status, group []verb) string {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := inStatus(ctx, e, name, status)
	if err != nil {
		return err.Error()
	}
	ops := make([]op, len(group))
	var wg sync.WaitGroup
	for i, v := range group {
		wg.Go(func() {
			arg := fmt.Sprintf("%s-renamed-%d", name, i)
			err := v.do(ctx, another(t, e), c.ID(), arg)
			ops[i] = op{v, arg, resultOf(err), err}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return fmt.Sprintf("it hangs: from %s %+v", status, ops)
	}
	end := model{gone: true}
	if now, err := e.Container(ctx, c.ID()); err == nil {
		st, err := now.State(ctx)
		if err != nil {
			return err.Error()
		}
		end = model{status: st.Status, name: now.Name()}
		if _, err := now.Procs(ctx); (err == nil) != (st.Status != record.Exited) {
			return fmt.Sprintf("%s, but its processes: %v", st.Status, err)
		}
		if err := e.Remove(ctx, c.ID(), true, false); err != nil {
			return err.Error()
		}
	}
	if explained(model{status: status, name: name}, ops, end) {
		return ""
	}
	var did []string
	for _, o := range ops {
		did = append(did, fmt.Sprintf("%s: %s (%v)", o.verb.name, o.got, o.err))
	}
	return fmt.Sprintf("from %s [%s] ended as %+v", status, strings.Join(did, "; "), end)
}

// TestNamesAtOnce does the verbs that give and take names of images, volumes and
// containers, eight at once: one wins, the others are told why not.
func TestNamesAtOnce(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := t.Context()
	store, err := e.Images()
	if err != nil {
		t.Fatal(err)
	}
	eight := func(do func(e *Engine, i int) error) (won int, lost []error) {
		errs := make([]error, 8)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = do(another(t, e), i) })
		}
		wg.Wait()
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				lost = append(lost, err)
			}
		}
		return won, lost
	}
	check := func(what string, won int, lost []error, wantWon int, kinds ...error) {
		t.Helper()
		if won != wantWon {
			t.Errorf("%s: %d won, want %d: %v", what, won, wantWon, lost)
		}
		for _, err := range lost {
			if !slices.ContainsFunc(kinds, func(k error) bool { return errors.Is(err, k) }) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	create := func(e *Engine, name string, volumes ...runspec.Volume) (*runner.Container, error) {
		return made(ctx, e, containers.CreateOptions{
			Options: runspec.Options{Image: "busybox", Network: "none", Command: []string{"true"}, Volumes: volumes}, Name: name, Pull: containers.PullNever,
		})
	}
	for range 3 {
		won, lost := eight(func(e *Engine, _ int) error { _, err := create(e, "same"); return err })
		check("create of one name", won, lost, 1, errdefs.ErrExists)
		won, lost = eight(func(e *Engine, _ int) error { return e.Remove(ctx, "same", false, false) })
		check("rm", won, lost, 1, errdefs.ErrNotFound)

		won, lost = eight(func(e *Engine, i int) error {
			c, err := create(e, fmt.Sprintf("from-%d", i))
			if err != nil {
				t.Error(err)
				return nil
			}
			return errors.Join(c.Rename(ctx, "to-this"), e.Remove(ctx, c.ID(), false, false))
		})
		if won < 1 {
			t.Errorf("rename to one name: nobody won: %v", lost)
		}

		if err := store.Tag(ctx, "busybox", "tagged"); err != nil {
			t.Fatal(err)
		}
		won, lost = eight(func(e *Engine, _ int) error { _, err := e.RemoveImage(ctx, "tagged", false); return err })
		check("rmi", won, lost, 1, errdefs.ErrNotFound)
		won, lost = eight(func(e *Engine, i int) error {
			if i%2 == 0 {
				return store.Tag(ctx, "busybox", "tagged")
			}
			_, err := e.RemoveImage(ctx, "tagged", true)
			if errors.Is(err, errdefs.ErrNotFound) {
				return nil
			}
			return err
		})
		check("tag and rmi -f", won, lost, 8)

		won, lost = eight(func(e *Engine, i int) error {
			if i%2 == 0 {
				_, err := e.CreateVolume(ctx, "data", nil)
				return err
			}
			if err := e.RemoveVolume(ctx, "data"); !errors.Is(err, errdefs.ErrNotFound) {
				return err
			}
			return nil
		})
		check("volume create and rm", won, lost, 8)
		won, lost = eight(func(e *Engine, i int) error {
			if i%2 == 0 {
				c, err := create(e, fmt.Sprintf("user-%d", i), runspec.Volume{Source: "data", Target: "/data"})
				if err != nil {
					t.Errorf("create with a volume that is being removed: %v", err)
					return nil
				}
				return e.Remove(ctx, c.ID(), false, true)
			}
			if err := e.RemoveVolume(ctx, "data"); !errors.Is(err, errdefs.ErrNotFound) {
				return err
			}
			return nil
		})
		check("volume rm beside its users", won, lost, won, errdefs.ErrConflict)
	}
}

// TestCopiesAtOnce copies to the same names from several sides: each replaces
// what the other made, and none finds it gone.
func TestCopiesAtOnce(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for _, status := range []record.Status{record.Running, record.Exited} {
		c, err := inStatus(t.Context(), e, "copies-"+string(status), status)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 20 {
					if _, err := e.CopyIn(t.Context(), "/etc/hostname", c.ID(), "/tmp/copied", files.CopyOptions{}); err != nil {
						t.Errorf("%s: %v", status, err)
						return
					}
				}
			})
		}
		all.Wait()
		if err := e.Remove(t.Context(), c.ID(), true, false); err != nil {
			t.Error(err)
		}
	}
}
