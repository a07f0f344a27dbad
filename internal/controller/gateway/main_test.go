package gateway_test

import (
	"os"
	"testing"

	"devserver.io/devserver/internal/apiservertest"
)

func TestMain(m *testing.M) { os.Exit(apiservertest.Run(m)) }
