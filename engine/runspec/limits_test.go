package runspec

import (
	"errors"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/runner/record"
)

func TestLimitsAreChecked(t *testing.T) {
	t.Parallel()
	machine := Machine{CPUs: "0-1", Nodes: "0"}
	tooSwappy, least := uint64(101), int64(6<<20)
	for says, refused := range map[string][]record.Resources{
		"Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available": {
			{NanoCPUs: 99e9}, {NanoCPUs: 2e9 + 1}, {NanoCPUs: -1}, {NanoCPUs: 1e6},
		},
		"Requested CPUs are not available - requested 7, available: 0-1":       {{Cpuset: "7"}},
		"Requested CPUs are not available - requested 0-2":                     {{Cpuset: "0-2"}},
		"Invalid value x for cpuset cpus":                                      {{Cpuset: "x"}},
		"Requested memory nodes are not available - requested 1, available: 0": {{Memset: "1"}},
		"Invalid value 1- for cpuset mems":                                     {{Memset: "1-"}},
		"Minimum memory limit allowed is 6MB":                                  {{Memory: least - 1}, {Memory: 1}},
		"memory limit can not be negative":                                     {{Memory: -1}},
		"Minimum memoryswap limit should be larger than memory limit":          {{Memory: 64 << 20, MemorySwap: 32 << 20}},
		"should always set the memory limit when using memoryswap":             {{MemorySwap: 64 << 20}},
		"can not be less than -1":                                              {{Memory: 64 << 20, MemorySwap: -2}},
		"swappiness range is 0-100":                                            {{MemorySwappiness: &tooSwappy}},
		"Minimum memory reservation allowed is 6MB":                            {{MemoryReservation: 1}},
		"can not be less than memory reservation":                              {{Memory: least, MemoryReservation: least + 1}},
		"reservation can not be negative":                                      {{MemoryReservation: -1}},
		"SHM size can not be less than 0":                                      {{ShmSize: -1}},
		"CPU cfs period can not be less than 1ms":                              {{CPUPeriod: 999}, {CPUPeriod: 1_000_001}, {CPUPeriod: -1}},
		"CPU cfs quota can not be less than 1ms":                               {{CPUQuota: 999}, {CPUQuota: 1}},
		"Nano CPUs and CPU Period cannot both":                                 {{NanoCPUs: 1e9, CPUPeriod: 10000}},
		"Nano CPUs and CPU Quota cannot both":                                  {{NanoCPUs: 1e9, CPUQuota: 10000}},
		"range of CPU shares is from 2":                                        {{CPUShares: 1}, {CPUShares: 262145}},
		"Range of blkio weight is from 10 to 1000":                             {{BlkioWeight: 9}, {BlkioWeight: 1001}},
		"Invalid value 1001, range for oom score adj is [-1000, 1000]":         {{OOMScoreAdj: 1001}},
		"Invalid value -1001, range for oom score adj is [-1000, 1000]":        {{OOMScoreAdj: -1001}},
		"the limit of processes":                                               {{PidsLimit: -2}},
		"invalid ulimit type: fun":                                             {{Ulimits: []record.Ulimit{{Name: "fun"}}}},
		"soft limit must be less than or equal to hard limit": {
			{Ulimits: []record.Ulimit{{Name: "nofile", Soft: 2, Hard: 1}}}, {Ulimits: []record.Ulimit{{Name: "nofile", Soft: -1, Hard: 1}}},
		},
		"a limit is a number": {{Ulimits: []record.Ulimit{{Name: "nofile", Soft: -2, Hard: -1}}}},
	} {
		for _, r := range refused {
			if err := CheckLimits(r, machine); !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), says) {
				t.Errorf("%+v: %v, want %q", r, err, says)
			}
		}
	}
	swappy := uint64(100)
	for _, r := range []record.Resources{
		{},
		{
			Memory: least, MemorySwap: -1, MemoryReservation: least, MemorySwappiness: &swappy, NanoCPUs: 2e9,
			CPUShares: 2, Cpuset: "0,1", Memset: "0", BlkioWeight: 10, PidsLimit: -1, ShmSize: 1, OOMScoreAdj: -1000,
			Ulimits: []record.Ulimit{{Name: "nofile", Soft: 1, Hard: -1}, {Name: "core", Soft: -1, Hard: -1}},
		},
		{CPUPeriod: 1000, CPUQuota: 1000, NanoCPUs: 0, Memory: least, MemorySwap: least},
	} {
		if err := CheckLimits(r, machine); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestSwap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ memory, asked, want int64 }{{0, 0, 0}, {64, 0, 128}, {64, 64, 64}, {64, -1, -1}, {0, -1, -1}} {
		if got := (record.Resources{Memory: tt.memory, MemorySwap: tt.asked}).Swap(); got != tt.want {
			t.Errorf("%+v: %d", tt, got)
		}
	}
}
