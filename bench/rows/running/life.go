package running

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"cove/bench/figures"
	"cove/bench/lab"
	"cove/bench/machine"
	"cove/bench/peers"
)

// subject is the container that a row looks at.
const subject = "subject"

// started runs the subject, in the place of the one before.
func started(engine, words string) lab.Step {
	cli := peers.CLI(engine)
	return lab.Shell(cli + " rm -f " + subject + " >/dev/null 2>&1 || true; " +
		cli + " run -d --name " + subject + " " + words + " >/dev/null")
}

// ended removes the subjects of all engines.
func ended(engines []string) lab.Step {
	return func(ctx context.Context, l *lab.Lab) error {
		var failed []error
		for _, e := range engines {
			if l.Fine(peers.Imported(e)) {
				failed = append(failed, lab.Shell(peers.CLI(e)+" rm -f "+subject+" >/dev/null 2>&1 || true")(ctx, l))
			}
		}
		return errors.Join(failed...)
	}
}

// obeys is a first process that ends when it is asked to; sleep, as one, does not: the kernel
// keeps signals without a handler from it.
const obeys = `base sh -c 'trap exit TERM; while :; do sleep 1000 & wait; done'`

// lifeRows are what people wait for between a start and an end.
func lifeRows() []lab.Row {
	engines := []string{peers.Cove, peers.Docker, peers.Podman}
	with := func(engines []string, c func(e string) lab.Contender) []lab.Contender {
		return peers.Each(engines, func(e string) lab.Contender {
			made := c(e)
			made.Needs = append([]lab.Need{peers.Imported(e)}, made.Needs...)
			return made
		})
	}
	after := ended(engines)
	hundred := `for i in $(seq 100); do %s run -d --network none base sleep 100000; done >$WORK/hundred`
	rows := []lab.Row{
		{
			Name: "run -d, to the first byte of a published port", Target: lab.Within(0.25, ""), Rounds: 10,
			In: with(engines, func(e string) lab.Contender {
				return lab.Contender{Needs: []lab.Need{greeter}, Before: ended([]string{e}), Value: firstByte(e)}
			}),
		},
		{
			Name: "stop of a container that ends at SIGTERM", Target: lab.Within(0.35, ""), Rounds: 10,
			In: with(engines, func(e string) lab.Contender {
				return lab.Contender{
					Before: started(e, "--network none "+obeys),
					Run:    lab.Run(peers.CLI(e) + " stop " + subject),
				}
			}),
		},
		{
			Name: "stop -t 0 of a container that heeds no signal", Target: lab.Within(0.35, ""), Rounds: 10,
			In: with(engines, func(e string) lab.Contender {
				return lab.Contender{
					Before: started(e, "--network none base sleep 100000"),
					Run:    lab.Run(peers.CLI(e) + " stop -t 0 " + subject),
				}
			}),
		},
		{
			Name: "rm -f of 100 running containers", Target: lab.Within(0.25, ""), Rounds: 2, Cold: true,
			Limit: 2 * time.Minute,
			In: with(engines, func(e string) lab.Contender {
				return lab.Contender{
					Before: lab.Shell(fmt.Sprintf(hundred, peers.CLI(e))),
					Run:    lab.Shell(peers.CLI(e) + " rm -f" + atOnce[e] + " $(cat $WORK/hundred) >/dev/null"),
				}
			}),
		},
	}
	rows = append(append(rows, memoryRow(with(engines, watched)), namesRow(with)), healthRows(with)...)
	for i := range rows {
		rows[i].After = after
	}
	return rows
}

// memoryRow is what stays in memory for each container that runs.
func memoryRow(in []lab.Contender) lab.Row {
	return lab.Row{
		Name: "memory of the process that watches one container", Target: figures.Target{Most: 7},
		Rounds: 3, Cold: true, Unit: "MB", In: in,
		Note: "cove's monitor, docker's containerd-shim, podman's conmon: the parent of the container's first process. " +
			"docker has two daemons beside it, cove and podman have none.",
	}
}

func watched(e string) lab.Contender {
	return lab.Contender{Before: started(e, "--network none base sleep 100000"), Value: watcher(e)}
}

// atOnce are flags without which podman asks a container to end, and waits, before it forces it.
var atOnce = map[string]string{peers.Podman: " -t 0"}

// greeter needs a program that greets whoever connects to port 80, in $WORK/greeter.
var greeter = lab.Need{Name: "a program that greets", Do: lab.Write("greeter", `use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalPort => 80, Listen => 16, ReuseAddr => 1) or die $!;
while (my $c = $s->accept) { print $c "hello"; close $c }
`)}

// firstByte starts the subject, and asks it until it answers.
func firstByte(engine string) func(context.Context, *lab.Lab) (float64, error) {
	// Each engine has a port of its own, as its subject may still be there when another has its turn.
	address := "127.0.0.1:" + map[string]string{peers.Cove: "8181", peers.Docker: "8182", peers.Podman: "8183"}[engine]
	start := lab.Run(peers.CLI(engine) + " run -d --name " + subject + " -p " + address +
		":80 -v $WORK/greeter:/greeter:ro base perl /greeter")
	return func(ctx context.Context, l *lab.Lab) (float64, error) {
		begun := time.Now()
		if err := start(ctx, l); err != nil {
			return 0, err
		}
		for err := errors.New("nobody asked"); err != nil; {
			if ctx.Err() != nil {
				return 0, fmt.Errorf("no byte came: %w", err)
			}
			if err = greeted(address); err != nil {
				time.Sleep(time.Millisecond)
			}
		}
		return float64(time.Since(begun).Microseconds()) / 1000, nil
	}
}

// greeted reads one byte of who answers there.
func greeted(address string) error {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// inspected asks an engine for something of the subject.
func inspected(ctx context.Context, l *lab.Lab, engine, format string) (string, error) {
	words := append(strings.Fields(l.Expand(peers.CLI(engine))), "inspect", "--format", format, subject)
	out, err := l.In(ctx, words[0], words[1:]...).Output()
	if err != nil {
		return "", fmt.Errorf("%s inspect: %w", engine, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// process is the subject's first.
func process(ctx context.Context, l *lab.Lab, engine string) (int, error) {
	text, err := inspected(ctx, l, engine, "{{.State.Pid}}")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// watcher measures the parent of the subject's first process.
func watcher(engine string) func(context.Context, *lab.Lab) (float64, error) {
	return func(ctx context.Context, l *lab.Lab) (float64, error) {
		pid, err := process(ctx, l, engine)
		if err != nil {
			return 0, err
		}
		time.Sleep(time.Second) // what it needed for the start may be gone by then
		parent, err := machine.Parent(pid)
		if err != nil {
			return 0, err
		}
		return machine.Resident(parent)
	}
}
