package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// bench is a database with the service over it.
type bench struct {
	*testing.T
	db *metadata.DB
	*jobs.Jobs
}

// TestJobs runs each test below over a database of its own, in each engine.
func TestJobs(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		for _, test := range []func(bench){
			testJobsRunOnceAndTellWhatCameOfIt,
			testFailuresAreTriedAgainUnlessTheyAreFinal,
			testStopIsSeenWithinTwoSeconds,
			testServersGiveJobsBack,
			testJobThatTakesServersDownIsGivenUp,
			testOneOfASubjectIsAlone,
			testSchedulesAddJobs,
			testTheTableIsBounded,
			testOnlyAdministratorsManageJobs,
			testKindsArePaused,
			testAProjectLeavesRoomForOthers,
		} {
			t.Run(name(test), func(t *testing.T) {
				t.Parallel()
				db := open(t, time.Now)
				test(bench{t, db, jobs.NewJobs(db, auth.Judge{})})
			})
		}
	})
}

// name is a test's own.
func name(test func(bench)) string {
	full := runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name()
	return full[strings.LastIndex(full, ".")+1:]
}

// run starts a runner until stop.
func (b bench) run(kinds ...jobs.Kind) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		jobs.NewRunner(b.db, slog.New(slog.DiscardHandler), kinds...).Run(ctx)
	}()
	stop = func() { cancel(); <-ended }
	b.Cleanup(stop)
	return stop
}

func (b bench) add(n jobs.New) (id int64, added bool) {
	b.Helper()
	err := b.db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) (err error) {
		id, added, err = jobs.Add(ctx, tx, n)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return id, added
}

// until waits for a job to be in a state.
func (b bench) until(id int64, want jobs.State) jobs.Job {
	b.Helper()
	var j jobs.Job
	for range 400 {
		var err error
		if j, err = b.Get(b.Context(), auth.Operator(), id); err != nil {
			b.Fatal(err)
		}
		if j.State == want {
			return j
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.Fatalf("job %d is %s, want %s: %+v", id, j.State, want, j)
	return j
}

// blocked is a kind that runs until it is told to end.
func blocked(began chan<- int64) jobs.Kind {
	return jobs.Kind{Name: "wait", Limit: 4, Run: func(ctx context.Context, w *jobs.Work) (string, error) {
		began <- w.ID
		w.Say("half of it is done")
		<-ctx.Done()
		return "", ctx.Err()
	}}
}

func testJobsRunOnceAndTellWhatCameOfIt(b bench) {
	var ran atomic.Int64
	id, added := b.add(jobs.New{Kind: "sum", Subject: "s", By: "ada", Args: map[string]int{"a": 40, "b": 2}})
	if !added {
		b.Error("it was not added")
	}
	late, _ := b.add(jobs.New{Kind: "sum", Subject: "s", Due: time.Now().Add(time.Hour)})
	kind := jobs.Kind{Name: "sum", Limit: 2, Run: func(_ context.Context, w *jobs.Work) (string, error) {
		ran.Add(1)
		var args struct{ A, B int }
		err := w.Read(&args)
		return fmt.Sprint(args.A + args.B), err
	}}
	b.run(kind)
	b.run(kind) // another server
	if j := b.until(id, jobs.Done); j.Note != "42" || j.By != "ada" || j.Attempts != 1 || j.EndedAt.IsZero() {
		b.Errorf("%+v", j)
	}
	if ran.Load() != 1 {
		b.Errorf("it ran %d times", ran.Load())
	}
	if j := b.until(late, jobs.Waiting); j.Attempts != 0 {
		b.Errorf("what is due in an hour has begun: %+v", j)
	}
	if st, err := b.Status(b.Context(), auth.Operator()); err != nil || st.Waiting != 1 || st.Running != 0 || !st.Oldest.IsZero() {
		b.Errorf("%+v %v", st, err)
	}
}

func testFailuresAreTriedAgainUnlessTheyAreFinal(b bench) {
	var tries atomic.Int64
	soon := func(int) time.Duration { return 0 }
	b.run(
		jobs.Kind{Name: "flaky", Tries: 3, Pause: soon, Run: func(context.Context, *jobs.Work) (string, error) {
			if tries.Add(1) < 3 {
				return "", errors.New("the line is down")
			}
			return "sent", nil
		}},
		jobs.Kind{Name: "hopeless", Tries: 3, Pause: soon, Run: func(context.Context, *jobs.Work) (string, error) {
			return "", jobs.Final(errors.New("there is no such rule"))
		}},
		jobs.Kind{Name: "faulty", Run: func(context.Context, *jobs.Work) (string, error) { panic("a fault") }},
		jobs.Kind{Name: "slow", Longest: 20 * time.Millisecond, Run: func(ctx context.Context, _ *jobs.Work) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}})
	flaky, _ := b.add(jobs.New{Kind: "flaky", Subject: "1"})
	hopeless, _ := b.add(jobs.New{Kind: "hopeless", Subject: "1"})
	faulty, _ := b.add(jobs.New{Kind: "faulty", Subject: "1"})
	slow, _ := b.add(jobs.New{Kind: "slow", Subject: "1"})
	if j := b.until(flaky, jobs.Done); j.Attempts != 3 || j.Note != "sent" || j.Error != "" {
		b.Errorf("%+v", j)
	}
	for _, id := range []int64{hopeless, faulty, slow} {
		if j := b.until(id, jobs.Failed); j.Attempts != 1 || j.Error == "" {
			b.Errorf("%+v", j)
		}
	}
}

// testStopIsSeenWithinTwoSeconds stops jobs that run in another server than the one
// that is asked.
func testStopIsSeenWithinTwoSeconds(b bench) {
	began := make(chan int64, 4)
	b.run(blocked(began))
	running, _ := b.add(jobs.New{Kind: "wait", Subject: "a"})
	<-began
	waiting, _ := b.add(jobs.New{Kind: "wait", Subject: "b", Due: time.Now().Add(time.Hour)})
	asked := time.Now()
	for _, id := range []int64{running, waiting} {
		if err := b.Stop(b.Context(), auth.Operator(), id); err != nil {
			b.Fatal(err)
		}
		b.until(id, jobs.Stopped)
		if err := b.Stop(b.Context(), auth.Operator(), id); !errors.Is(err, errdefs.ErrConflict) {
			b.Errorf("a second stop: %v", err)
		}
	}
	if took := time.Since(asked); took > 2*time.Second {
		b.Errorf("the stop took %v", took)
	}
	if err := b.Stop(b.Context(), auth.Operator(), 7); !errors.Is(err, errdefs.ErrNotFound) {
		b.Errorf("a job that there is not: %v", err)
	}
	again, err := b.Retry(b.Context(), auth.Operator(), running)
	if err != nil || <-began != again {
		b.Errorf("again: %d %v", again, err)
	}
	if _, err := b.Retry(b.Context(), auth.Operator(), again); !errors.Is(err, errdefs.ErrConflict) {
		b.Errorf("again while it runs: %v", err)
	}
}

// testServersGiveJobsBack ends one server in order, and one without a word.
func testServersGiveJobsBack(b bench) {
	began := make(chan int64, 4)
	stop := b.run(blocked(began))
	id, _ := b.add(jobs.New{Kind: "wait", Subject: "a"})
	<-began
	stop()
	if j := b.until(id, jobs.Waiting); j.Attempts != 0 || j.Error != "" {
		b.Errorf("given back: %+v", j)
	}
	b.killed(id, 1)
	b.run(blocked(began))
	if <-began != id {
		b.Error("another job began")
	}
	if j := b.until(id, jobs.Running); j.Attempts != 2 {
		b.Errorf("after a kill: %+v", j)
	}
}

// killed leaves a job as the server does that dies in it for the nth time.
func (b bench) killed(id int64, times int) {
	b.Helper()
	err := b.db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Tx.Exec(ctx, "UPDATE jobs SET state = 'running', runner = 'gone', due_at = 1, attempts = $2 WHERE id = $1", id, times)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

func testJobThatTakesServersDownIsGivenUp(b bench) {
	id, _ := b.add(jobs.New{Kind: "wait", Subject: "a"})
	b.killed(id, 3)
	b.run(blocked(make(chan int64, 1)))
	b.until(id, jobs.Failed)
}

func testOneOfASubjectIsAlone(b bench) {
	first, added := b.add(jobs.New{Kind: "wait", Subject: "rule 1", Alone: true})
	second, again := b.add(jobs.New{Kind: "wait", Subject: "rule 1", Alone: true})
	_, other := b.add(jobs.New{Kind: "wait", Subject: "rule 2", Alone: true})
	if !added || again || second != first || !other {
		b.Errorf("added %v %v %v, %d %d", added, again, other, first, second)
	}
	if err := b.Stop(b.Context(), auth.Operator(), first); err != nil {
		b.Fatal(err)
	}
	if _, added := b.add(jobs.New{Kind: "wait", Subject: "rule 1", Alone: true}); !added {
		b.Error("the first has ended, and another is not taken")
	}
	if _, err := b.Retry(b.Context(), auth.Operator(), first); !errors.Is(err, errdefs.ErrConflict) {
		b.Errorf("the first again, beside the other: %v", err)
	}
}

func testSchedulesAddJobs(b bench) {
	err := b.db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		err := jobs.SetSchedule(ctx, tx, jobs.Schedule{Kind: "nightly", Subject: "s", Project: "team", Cron: "0 3 * * *", Args: []byte(`{"n":1}`)})
		if err == nil { // as if the time had come while nobody ran
			_, err = tx.Tx.Exec(ctx, "UPDATE schedules SET next_at = 1")
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	did := make(chan string, 8)
	b.run(jobs.Kind{Name: "nightly", Run: func(_ context.Context, w *jobs.Work) (string, error) {
		did <- w.Project + string(w.Args)
		return "", nil
	}})
	if got := <-did; got != `team{"n":1}` {
		b.Errorf("did %s", got)
	}
	all, err := b.Schedules(b.Context(), auth.Operator())
	if err != nil || len(all) != 1 || all[0].Next.Before(time.Now()) || all[0].Next.After(time.Now().Add(24*time.Hour)) {
		b.Errorf("%+v %v", all, err)
	}
	select {
	case <-did:
		b.Error("it was made up for twice")
	case <-time.After(1200 * time.Millisecond):
	}
}

// testTheTableIsBounded ends more jobs than are kept.
func testTheTableIsBounded(b bench) {
	err := b.db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		for i := range 1300 {
			id, _, err := jobs.Add(ctx, tx, jobs.New{Kind: "small", Subject: fmt.Sprint(i)})
			if err == nil {
				_, err = tx.Tx.Exec(ctx, "UPDATE jobs SET state = 'done', ended_at = $2 WHERE id = $1", id, time.Now().UnixMicro()-int64(i))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.run(jobs.Kind{Name: "small"})
	for range 200 {
		page, more, err := b.Page(b.Context(), auth.Operator(), jobs.Query{Kind: "small", N: 1000})
		if err != nil {
			b.Fatal(err)
		}
		if len(page) == 1000 && !more {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.Error("there are more than 1000")
}

func testOnlyAdministratorsManageJobs(b bench) {
	ada := auth.Caller{UserID: 1, Name: "ada"}
	_, _, err := b.Page(b.Context(), ada, jobs.Query{N: 1})
	_, again := b.Retry(b.Context(), ada, 1)
	_, queues := b.Queues(b.Context(), ada)
	for _, err := range []error{
		err, again, b.Stop(b.Context(), ada, 1), queues, b.Pause(b.Context(), ada, "x"), b.Resume(b.Context(), ada, "x"),
	} {
		if !errors.Is(err, errdefs.ErrDenied) {
			b.Errorf("not refused: %v", err)
		}
	}
}

// testKindsArePaused: no job of a kind that is paused begins, whoever adds it, what runs goes
// on, and other kinds do too; all of it waits for the resume.
func testKindsArePaused(b bench) {
	began := make(chan int64, 4)
	b.Know("wait", "sum")
	b.Know("sum")
	running, _ := b.add(jobs.New{Kind: "wait", Subject: "runs"})
	b.run(blocked(began), jobs.Kind{Name: "sum", Run: func(context.Context, *jobs.Work) (string, error) { return "3", nil }})
	<-began
	for range 2 { // the second changes nothing, and is not noted
		if err := b.Pause(b.Context(), auth.Operator(), "wait"); err != nil {
			b.Fatal(err)
		}
	}
	held, _ := b.add(jobs.New{Kind: "wait", Subject: "waits"})
	other, _ := b.add(jobs.New{Kind: "sum", Subject: "s"})
	b.until(other, jobs.Done)
	time.Sleep(2 * time.Second) // several steps of the runner
	b.until(held, jobs.Waiting)
	if j := b.until(running, jobs.Running); j.Stopping {
		b.Errorf("what ran was stopped: %+v", j)
	}
	if _, err := b.Await(b.Context(), held); !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "paused") {
		b.Errorf("who waits for it hears %v", err)
	}
	queues, err := b.Queues(b.Context(), auth.Operator())
	if err != nil || len(queues) != 2 || queues[0].Kind != "sum" || queues[0].Paused() || queues[0].Waiting != 0 {
		b.Fatalf("%+v %v", queues, err)
	}
	if q := queues[1]; q.Waiting != 1 || q.Running != 1 || !q.Paused() || q.PausedBy != auth.Operator().Name || q.Oldest.IsZero() {
		b.Errorf("%+v", q)
	}
	if err := b.Resume(b.Context(), auth.Operator(), "wait"); err != nil {
		b.Fatal(err)
	}
	b.until(held, jobs.Running)
	if err := b.Pause(b.Context(), auth.Operator(), "wiat"); !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(err.Error(), "sum, wait") {
		b.Errorf("a kind that there is not: %v", err)
	}
	lines, _, err := audit.New(b.db, auth.Judge{}).Page(b.Context(), auth.Operator(), audit.Query{Object: "wait", N: 10})
	var noted []string
	for _, l := range lines {
		if l.Object == "wait" {
			noted = append(noted, l.Action)
		}
	}
	if err != nil || !slices.Equal(noted, []string{"job.resume", "job.pause"}) {
		b.Errorf("noted: %v %v", noted, err)
	}
}

// testAProjectLeavesRoomForOthers: of a kind that bounds it, one project has no more jobs run
// at once than that, however many wait, and those of other projects begin beside them.
func testAProjectLeavesRoomForOthers(b bench) {
	began := make(chan int64, 20)
	projects := map[int64]string{}
	for i := range 13 {
		project := "loud"
		if i >= 11 {
			project = fmt.Sprint("quiet", i)
		}
		id, _ := b.add(jobs.New{Kind: "wait", Subject: fmt.Sprint(i), Project: project})
		projects[id] = project
	}
	kind := blocked(began)
	kind.OfProject = 2
	b.run(kind)
	got := map[string]int{}
	for range 4 {
		select {
		case id := <-began:
			got[projects[id]]++
		case <-time.After(20 * time.Second):
			b.Fatalf("no other begins beside %v", got)
		}
	}
	if got["loud"] != 2 || got["quiet11"] != 1 || got["quiet12"] != 1 {
		b.Errorf("there run %v", got)
	}
	page, _, err := b.Page(b.Context(), auth.Operator(), jobs.Query{State: jobs.Running, N: 20})
	if err != nil {
		b.Fatal(err)
	}
	for _, j := range page { // the next of the same project follows one that ends
		if j.Project == "loud" {
			if err := b.Stop(b.Context(), auth.Operator(), j.ID); err != nil {
				b.Fatal(err)
			}
			break
		}
	}
	if next := projects[<-began]; next != "loud" {
		b.Errorf("%s begins", next)
	}
}
