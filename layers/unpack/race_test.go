//go:build race

package unpack_test

// raceEnabled: the race detector needs several times the memory.
const raceEnabled = true
