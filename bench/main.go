// Command bench measures cove beside its peers, in turn, in one run on one
// machine, and writes bench/results.md.
//
// Everything happens in a mount and a network namespace of its own, so that
// the bridges and firewall rules of the other engines vanish with it, and the
// peers keep their state under bench/state. A time alone means nothing: each
// row is medians of interleaved runs and the ratio cove ÷ peer.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
)

// inner marks the process that runs inside the namespaces.
const inner = "COVE_BENCH_INNER"

func main() {
	rows := flag.String("rows", ".", "run only the rows whose name matches this regular expression")
	rounds := flag.Int("rounds", 0, "rounds of each row (0: the row's own number)")
	out := flag.String("out", "bench/results.md", "where the table goes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx, *rows, *rounds, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context, rows string, rounds int, out string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("needs root: containers of four engines")
	}
	match, err := regexp.Compile(rows)
	if err != nil {
		return err
	}
	work, err := filepath.Abs("bench/state")
	if err != nil {
		return err
	}
	if os.Getenv(inner) == "" {
		if err := fetch(ctx, work); err != nil {
			return err
		}
		return enter(ctx)
	}
	l, err := newLab(ctx, work)
	if err != nil {
		return err
	}
	results, err := l.run(ctx, match, rounds)
	return errors.Join(err, report(out, results), l.close())
}

// run measures the rows whose names match; what was measured before an error
// is still worth a report.
func (l *lab) run(ctx context.Context, match *regexp.Regexp, rounds int) (results []result, err error) {
	for _, r := range table() {
		if !match.MatchString(r.name) {
			continue
		}
		res, err := l.measure(ctx, r, rounds)
		if err != nil {
			return results, fmt.Errorf("%s: %w", r.name, err)
		}
		fmt.Print(res.line())
		results = append(results, res)
	}
	return results, nil
}

// fetch brings what needs the outside network: the base image and distribution.
func fetch(ctx context.Context, work string) error {
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(work, "base.tar")); err != nil {
		if err := command(ctx, "fixtures/debian/make-base.sh", filepath.Join(work, "base.tar")); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(work, "registry")); err == nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", "install", "github.com/distribution/distribution/v3/cmd/registry@v3.1.2")
	cmd.Env = append(os.Environ(), "GOBIN="+work, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("installing distribution: %w\n%s", err, out)
	}
	return nil
}

// enter runs this program again in its own mount and network namespaces.
func enter(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), inner+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	return cmd.Run()
}
