package buildflags

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
)

// EpochVariable is where reproducible-builds.org puts a build's time.
const EpochVariable = "SOURCE_DATE_EPOCH"

// SourceDate is the time that the flag gives, or else the environment. Nil says
// that copied files keep their own times, unless a build argument, which the
// builder reads, says otherwise: a name in the environment, as that of a context,
// becomes one.
func SourceDate(ctx context.Context, flag, dir string, buildArgs map[string]string) (*time.Time, error) {
	switch flag {
	case "":
	case "git":
		return lastCommit(ctx, dir)
	default:
		return parseDate("--source-date-epoch "+flag, flag)
	}
	value := os.Getenv(EpochVariable)
	if _, given := buildArgs[EpochVariable]; given || value == "" {
		return nil, nil
	}
	at, err := parseDate(EpochVariable+"="+value, value)
	if err != nil && buildArgs != nil && isName(value) {
		buildArgs[EpochVariable] = value
		return nil, nil
	}
	return at, err
}

// isName says whether a value may name a context or a stage: a time begins with a digit.
func isName(value string) bool { return !strings.ContainsAny(value[:1], "-+0123456789") }

func parseDate(what, value string) (*time.Time, error) {
	if t, err := time.Parse(time.RFC3339, value); err == nil {
		t = t.UTC().Truncate(time.Second)
		return &t, nil
	}
	sec, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"%s: want seconds since 1970 or a time like 2006-01-02T15:04:05Z", what)
	}
	t := time.Unix(sec, 0).UTC()
	return &t, nil
}

// lastCommit asks git, which alone knows where a worktree keeps its commits.
func lastCommit(ctx context.Context, dir string) (*time.Time, error) {
	cmd := exec.CommandContext(ctx, "git", "-C", dir, "log", "-1", "--format=%ct")
	var why bytes.Buffer
	cmd.Stderr = &why
	out, err := cmd.Output()
	if err != nil {
		reason := bytes.TrimSpace(why.Bytes())
		if len(reason) == 0 {
			reason = []byte(err.Error())
		}
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "--source-date-epoch git: the last commit of %s: %s", dir,
			reason)
	}
	return parseDate("--source-date-epoch git", string(bytes.TrimSpace(out)))
}
