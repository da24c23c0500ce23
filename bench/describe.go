package main

import (
	"fmt"
	"runtime"
	"strings"

	"cove/bench/fetch"
	"cove/bench/lab"
	"cove/bench/machine"
	"cove/bench/peers"

	"golang.org/x/sys/unix"
)

// describeMachine says what the figures depend on.
func describeMachine(l *lab.Lab) []string {
	var u unix.Utsname
	kernel := "unknown"
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	return []string{
		fmt.Sprintf("%d × %s, %d GiB of memory, Linux %s; load at the beginning %s", runtime.NumCPU(), machine.Processor(),
			machine.Memory("MemTotal")>>30, kernel, machine.Load()),
		"the engines' state is on " + l.Where + ", that of the registries on the disk",
		l.Version("$BIN/cove --version"),
		strings.Join([]string{
			l.Version("docker --version"), l.Version("podman --version"), l.Version("buildah --version"),
			l.Version("crun --version"), l.Version("runc --version"), "BuildKit " + fetch.BuildKitVersion,
			l.Version("docker-registry --version"), peers.Distribution + " " + fetch.DistributionVersion,
		}, "; "),
	}
}
