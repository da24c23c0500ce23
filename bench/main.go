// Command bench measures cove beside its peers, in turn, in one run on one
// machine, and writes bench/results.md.
//
// Everything happens in mount, network and process namespaces of its own: the
// bridges, firewall rules, mounts and processes of all engines end with them.
// What needs the outside network is fetched before, into bench/state, and kept.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"
	"time"

	"cove/bench/asker"
	"cove/bench/bare"
	"cove/bench/figures"
	"cove/bench/lab"
	"cove/bench/machine"
	"cove/bench/names"
	"cove/bench/outside"
	"cove/bench/peers"
	"cove/bench/roles"
	"cove/bench/rows/building"
	"cove/bench/rows/running"
	"cove/bench/rows/serving"
)

// options are the flags.
type options struct {
	rows   string
	match  *regexp.Regexp
	rounds int
	limit  time.Duration
	out    string
	disk   bool
	// registry is one beside those that are started here, or nil.
	registry *url.URL
}

func main() {
	var opt options
	flag.StringVar(&opt.rows, "rows", ".", "run only the rows whose name matches this regular expression")
	flag.IntVar(&opt.rounds, "rounds", 0, "rounds of each row (0: the row's own number)")
	flag.DurationVar(&opt.limit, "limit", 40*time.Minute, "begin no row after this")
	flag.StringVar(&opt.out, "out", "", "where the report goes (default: bench/results.md, when all rows run)")
	flag.BoolVar(&opt.disk, "disk", false, "keep the engines' state on the disk even when memory would hold it")
	flag.Func("registry", "`URL` of a registry to measure beside the others: https://[USER:PASSWORD@]HOST[:PORT], where that user "+
		"may push to "+asker.Repository+"; what the rows push stays there", func(raw string) (err error) {
		opt.registry, err = outside.Check(raw)
		return err
	})
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status, err := play(ctx, opt)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		status = 1
	}
	os.Exit(status)
}

// play does what this process is for: the program starts itself as the init of
// its namespaces, and that starts it again to measure.
func play(ctx context.Context, opt options) (status int, err error) {
	if opt.match, err = regexp.Compile(opt.rows); err != nil {
		return 1, err
	}
	if opt.out == "" && opt.rows == "." {
		opt.out = "bench/results.md"
	}
	switch os.Getenv(roles.Variable) {
	case roles.Init:
		return roles.Reap()
	case roles.Lab:
		return 0, bench(ctx, opt, os.Stdout)
	case roles.Bare:
		return 1, bare.Serve(flag.Arg(0), flag.Arg(1))
	case roles.Names:
		took, err := names.Ask(flag.Arg(0), flag.Arg(1), running.Load)
		fmt.Println(took.Nanoseconds())
		return 0, err
	}
	if os.Geteuid() != 0 {
		return 1, errors.New("needs root: it runs containers of four engines")
	}
	if opt.registry != nil {
		stop, err := outside.Open()
		if err != nil {
			return 1, err
		}
		defer stop()
	}
	return 0, lab.Enter(ctx)
}

// bench measures the rows and writes the report: what was measured before an
// error is still worth one.
func bench(ctx context.Context, opt options, progress io.Writer) error {
	l, err := lab.New(ctx, opt.disk, peers.Variables, peers.Prepare)
	if err != nil {
		return err
	}
	rep := figures.Report{Begun: time.Now(), Machine: describeMachine(l)}
	var failed []error
	for _, r := range slices.Concat(running.Rows(), serving.Rows(opt.registry), building.Rows()) {
		if !opt.match.MatchString(r.Name) {
			continue
		}
		if time.Since(rep.Begun) > opt.limit || ctx.Err() != nil {
			failed = append(failed, fmt.Errorf("%s: no time was left", r.Name))
			rep.Missing = append(rep.Missing, r.Name)
			continue
		}
		res := l.Measure(ctx, r, opt.rounds)
		fmt.Fprint(progress, res.Lines())
		rep.Results = append(rep.Results, res)
		if err := res.Series[0].Err; err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", r.Name, err))
		}
	}
	if opt.out != "" {
		failed = append(failed, os.WriteFile(opt.out, rep.Text(time.Now(), machine.Load()), 0o644))
	}
	return errors.Join(append(failed, l.Close())...)
}
