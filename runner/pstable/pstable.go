// Package pstable is the process table of a container: what the host's ps prints, without
// the rows of other processes. The image of the container needs no ps.
package pstable

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"cove/errdefs"
)

// Read runs ps with args (none are -ef) and returns its heading and the lines of pids.
// What ps refuses is errdefs.ErrInvalid; a host without ps is errdefs.ErrUnavailable.
func Read(ctx context.Context, pids []int, args []string) (heading string, lines []string, err error) {
	if strings.Join(args, "") == "" {
		args = []string{"-ef"}
	}
	if err := checkHeadings(args); err != nil {
		return "", nil, err
	}
	// Some options, as f, exclude choosing pids; others choose too few processes
	// without it, as -o alone does.
	out, err := ps(ctx, append(slices.Clone(args), "-q"+joined(pids)))
	if errors.Is(err, errdefs.ErrInvalid) {
		out, err = ps(ctx, args)
	}
	if err != nil {
		return "", nil, err
	}
	return filter(out, pids)
}

func ps(ctx context.Context, args []string) (string, error) {
	cmd := exec.CommandContext(ctx, "ps", args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "ps is not installed on this host (Debian: procps)")
	}
	if err != nil {
		why, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
		if why == "" { // as when there is nothing to print
			why = "no process found"
		}
		return "", errdefs.Errorf(errdefs.ErrInvalid, "ps %s: %s", strings.Join(args, " "), why)
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

// checkHeadings refuses to call another column than pid PID, as -o ppid=PID does: rows of
// the host's processes would be shown whose number there is one of the container's.
func checkHeadings(args []string) error {
	for rest := strings.Join(args, " "); ; {
		before, after, found := strings.Cut(rest, "PID")
		if !found {
			return nil
		}
		rest = after
		if after != "" && word(rune(after[0])) {
			continue // the heading only begins so
		}
		name, assigned := strings.CutSuffix(strings.TrimRight(before, " "), "=")
		name = strings.TrimRight(name, " ")
		column := name[strings.LastIndexFunc(name, func(r rune) bool { return !word(r) })+1:]
		if assigned && column != "" && column != "pid" {
			return errdefs.Errorf(errdefs.ErrInvalid, "ps: specifying %q is not allowed", column+"=PID")
		}
	}
}

// word reports whether r may be part of the name of a column or of a heading.
func word(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// filter keeps the heading and the lines of pids.
func filter(out string, pids []int) (heading string, lines []string, err error) {
	all := strings.Split(strings.TrimRight(out, "\n"), "\n")
	heading = all[0]
	at := slices.Index(strings.Fields(heading), "PID")
	if at < 0 {
		return "", nil, errdefs.Errorf(errdefs.ErrInvalid,
			"Couldn't find PID field in ps output; add it to the options, as in -o pid,comm")
	}
	for _, line := range all[1:] {
		fields := strings.Fields(line)
		if len(fields) <= at {
			continue
		}
		if pid, err := strconv.Atoi(fields[at]); err == nil && slices.Contains(pids, pid) {
			lines = append(lines, line)
		}
	}
	return heading, lines, nil
}

// Rows are the heading and lines in their columns. The last one takes the rest of its
// line.
func Rows(heading string, lines []string) [][]string {
	columns := strings.Fields(heading)
	rows := [][]string{columns}
	for _, line := range lines {
		rows = append(rows, fieldsN(line, len(columns)))
	}
	return rows
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
