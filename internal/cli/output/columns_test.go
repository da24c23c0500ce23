package output

import (
	"bytes"
	"fmt"
	"testing"
)

// TestColumnsMeasureCells: Chinese and accented names align, and a command with
// an escape sequence is text.
func TestColumnsMeasureCells(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := NewColumns(&out, 10)
	fmt.Fprint(c, "NAME\tCOMMAND\tX\n")
	fmt.Fprint(c, "数据库服务器\t\x1b[2Jsh\t1\ncafe\u0301\tthe longest command\t2")
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "NAME           COMMAND               X\n" +
		"数据库服务器   sh                    1\n" +
		"cafe\u0301           the longest command   2\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
