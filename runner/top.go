package runner

import (
	"context"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cove/errdefs"
)

// Top is the process table as ps on the host prints it with psArgs (default
// -ef), reduced to the container's processes; the first row is the header. The
// image needs no ps.
func (c *Container) Top(ctx context.Context, psArgs []string) ([][]string, error) {
	pids, err := c.Procs(ctx)
	if err != nil {
		return nil, err
	}
	if len(psArgs) == 0 {
		psArgs = []string{"-ef"}
	}
	if err := checkPsArgs(psArgs); err != nil {
		return nil, err
	}
	// Some options, as f, exclude choosing pids; others choose too few processes
	// without it, as -o alone does.
	out, err := ps(ctx, append(slices.Clone(psArgs), "-q"+joined(pids)))
	if errors.Is(err, errdefs.ErrInvalid) {
		out, err = ps(ctx, psArgs)
	}
	if err != nil {
		return nil, err
	}
	return psRows(out, pids)
}

func ps(ctx context.Context, args []string) (string, error) {
	cmd := exec.CommandContext(ctx, "ps", args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "top: ps is not installed on this host (Debian: procps)")
	}
	if err != nil {
		why, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
		return "", errdefs.Errorf(errdefs.ErrInvalid, "top: ps %s: %s", strings.Join(args, " "), why)
	}
	return string(out), nil
}

func joined(pids []int) string {
	words := make([]string, len(pids))
	for i, pid := range pids {
		words[i] = strconv.Itoa(pid)
	}
	return strings.Join(words, ",")
}

// headings are columns that get another heading: another column called PID would
// show processes of the host whose number there is one of the container's.
var headings = regexp.MustCompile(`(\w+)\s*=\s*PID\b`)

func checkPsArgs(args []string) error {
	for _, m := range headings.FindAllStringSubmatch(strings.Join(args, " "), -1) {
		if m[1] != "pid" {
			return errdefs.Errorf(errdefs.ErrInvalid, "top: specifying %q is not allowed", m[0])
		}
	}
	return nil
}

// psRows keeps the header and the rows of pids. The last column takes the rest
// of its line.
func psRows(out string, pids []int) ([][]string, error) {
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	header := strings.Fields(lines[0])
	at := slices.Index(header, "PID")
	if at < 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"Couldn't find PID field in ps output; add it to the options, as in -o pid,comm")
	}
	rows := [][]string{header}
	for _, line := range lines[1:] {
		row := fieldsN(line, len(header))
		if len(row) <= at {
			continue
		}
		pid, err := strconv.Atoi(row[at])
		if err == nil && slices.Contains(pids, pid) {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// fieldsN is strings.Fields with at most n fields.
func fieldsN(line string, n int) []string {
	var fields []string
	for line = strings.TrimLeft(line, " \t"); line != "" && len(fields) < n-1; line = strings.TrimLeft(line, " \t") {
		i := strings.IndexAny(line, " \t")
		if i < 0 {
			break
		}
		fields, line = append(fields, line[:i]), line[i:]
	}
	if line != "" {
		fields = append(fields, strings.TrimRight(line, " \t"))
	}
	return fields
}
