package running

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"cove/bench/lab"
	"cove/bench/machine"
	"cove/bench/peers"
)

// with makes contenders that have the base image.
type with func(engines []string, c func(engine string) lab.Contender) []lab.Contender

// healthRows are what it costs to ask a container every second how it is.
func healthRows(with with) []lab.Row {
	const every, window = 250 * time.Millisecond, 6 * time.Second
	checked := fmt.Sprintf("--network none --health-interval %v --health-cmd true base sleep 100000", every)
	engines := []string{peers.Cove, peers.Docker}
	// podman has no clock of its own: systemd calls it for each check, and this does instead.
	byHand := func(c lab.Contender) []lab.Contender {
		c.Name = peers.Podman
		c.Before = started(c.Name, "--network none --health-interval disable --health-cmd true base sleep 100000")
		c.Needs = []lab.Need{peers.Imported(peers.Podman)}
		return []lab.Contender{c}
	}
	check := lab.Run(peers.CLI(peers.Podman) + " healthcheck run " + subject)
	contender := func(engine string, value func(context.Context, *lab.Lab) (float64, error)) lab.Contender {
		return lab.Contender{Before: started(engine, checked), Value: value}
	}
	cost := func(engine string) lab.Contender {
		return contender(engine, func(ctx context.Context, l *lab.Lab) (float64, error) {
			time.Sleep(time.Second)
			pids, err := workers(ctx, l, engine)
			if err != nil {
				return 0, err
			}
			return worked(pids, func() (int, error) {
				time.Sleep(window)
				return int(window / every), nil
			})
		})
	}
	length := func(engine string) lab.Contender {
		return contender(engine, func(ctx context.Context, l *lab.Lab) (float64, error) {
			time.Sleep(8 * every)
			text, err := inspected(ctx, l, engine, "{{json .State.Health.Log}}")
			if err != nil {
				return 0, err
			}
			return meanCheck(text)
		})
	}
	return []lab.Row{
		{
			Name: "health check: processor time of one", Target: lab.Within(0.35, ""), Rounds: 3, Cold: true,
			Note: "that of the process that watches the container, for docker also of its two daemons, over the checks of " +
				"6 seconds, one every 250 ms; for podman, of what its timer of systemd calls.",
			In: append(with(engines, cost), byHand(lab.Contender{Value: costByHand(check)})...),
		},
		{
			Name: "health check: from its start to its end", Target: lab.Within(0.35, ""), Rounds: 5, Cold: true,
			In: append(with(engines, length), byHand(lab.Contender{Run: check})...),
		},
	}
}

// costByHand is what one check costs that is a command.
func costByHand(check lab.Step) func(context.Context, *lab.Lab) (float64, error) {
	return func(ctx context.Context, l *lab.Lab) (float64, error) {
		// Its commands are this program's children, and what they leave goes to the first process.
		return worked([]int{os.Getpid(), 1}, func() (int, error) {
			const times = 10
			for range times {
				if err := check(ctx, l); err != nil {
					return 0, err
				}
			}
			return times, nil
		})
	}
}

// workers are the processes of an engine that check the subject.
func workers(ctx context.Context, l *lab.Lab, engine string) ([]int, error) {
	pid, err := process(ctx, l, engine)
	if err != nil {
		return nil, err
	}
	watcher, err := machine.Parent(pid)
	if err != nil || engine != peers.Docker {
		return []int{watcher}, err
	}
	daemon := l.PID(peers.Docker)
	children, err := machine.Children(daemon)
	return append(children, watcher, daemon), err
}

// worked is how many ms of processors some processes needed for each of several pieces of work.
func worked(pids []int, do func() (pieces int, err error)) (float64, error) {
	before, err := machine.Worked(pids...)
	if err != nil {
		return 0, err
	}
	pieces, err := do()
	if err != nil {
		return 0, err
	}
	after, err := machine.Worked(pids...)
	return float64((after - before).Microseconds()) / 1000 / float64(pieces), err
}

// meanCheck is how long those of a log took, in ms.
func meanCheck(log string) (float64, error) {
	var checks []struct {
		Start, End time.Time
		ExitCode   int
	}
	if err := json.Unmarshal([]byte(log), &checks); err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, c := range checks {
		if c.ExitCode != 0 {
			return 0, fmt.Errorf("a check ended with %d", c.ExitCode)
		}
		sum += c.End.Sub(c.Start)
	}
	if len(checks) == 0 {
		return 0, errors.New("nothing was checked")
	}
	return float64(sum.Microseconds()) / 1000 / float64(len(checks)), nil
}
