package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"cove/bench/fetch"
	"cove/bench/machine"

	"golang.org/x/sys/unix"
)

// describeMachine says what the figures depend on.
func describeMachine(tb *testbed) []string {
	var u unix.Utsname
	kernel := "unknown"
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	return []string{
		fmt.Sprintf("%d × %s, %d GiB of memory, Linux %s; load at the beginning %s", runtime.NumCPU(), machine.Processor(),
			machine.Memory("MemTotal")>>30, kernel, machine.Load()),
		"the engines' state is on " + tb.where + ", that of the registries on the disk",
		tb.version("$BIN/cove --version"),
		strings.Join([]string{
			tb.version("docker --version"), tb.version("podman --version"), tb.version("buildah --version"),
			tb.version("crun --version"), tb.version("runc --version"), buildkit + " " + fetch.BuildKitVersion,
			tb.version("docker-registry --version"), distribution + " " + fetch.DistributionVersion,
		}, "; "),
	}
}

// version is the first line that a command prints.
func (tb *testbed) version(line string) string {
	words := strings.Fields(tb.expand(line))
	out, err := tb.in(context.Background(), words[0], words[1:]...).Output()
	if err != nil {
		return words[0] + " of unknown version"
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}
