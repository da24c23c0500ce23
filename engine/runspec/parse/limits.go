package parse

import (
	"strconv"
	"strings"

	"cove/errdefs"
	"cove/runner/record"
)

// Ulimit reads NAME=SOFT[:HARD]; one number is both.
func Ulimit(s string) (record.Ulimit, error) {
	name, value, ok := strings.Cut(s, "=")
	soft, hard, both := strings.Cut(value, ":")
	if !both {
		hard = soft
	}
	u := record.Ulimit{Name: name}
	var err, err2 error
	u.Soft, err = strconv.ParseInt(soft, 10, 64)
	u.Hard, err2 = strconv.ParseInt(hard, 10, 64)
	if !ok || name == "" || err != nil || err2 != nil {
		return u, errdefs.Errorf(errdefs.ErrInvalid,
			"invalid ulimit argument: %s: want NAME=SOFT[:HARD], as nofile=1024:2048", s)
	}
	return u, nil
}

// Sysctl reads NAME=VALUE.
func Sysctl(s string) (name, value string, err error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return "", "", errdefs.Errorf(errdefs.ErrInvalid, "sysctl %s: want NAME=VALUE, as net.core.somaxconn=1024", s)
	}
	return name, value, nil
}
