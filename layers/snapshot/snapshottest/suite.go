// Package snapshottest is the one suite that every snapshotter passes.
package snapshottest
