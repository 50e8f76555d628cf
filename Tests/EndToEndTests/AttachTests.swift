import Foundation
import Glibc
import Testing

/// `kubectl attach`, and `kubectl run -i`, which is made of it: the streams of a container's own first process.
@Suite(.privileged, .serialized, .timeLimit(.minutes(5)))
struct AttachTests {
    @Test("kubectl run -i feeds a program and prints what it says; with a terminal it has the client's size")
    func run() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            let piped = try await cluster.run(
                ["sh", "-c", "printf 'one\\ntwo\\n' | kubectl run lines --image=busybox --restart=Never -i --rm --quiet -- sh -c 'while read line; do echo got $line; done; echo end'"])
            #expect(piped.out.contains("got one\ngot two\nend\n"), "\(piped)")
            #expect(try await cluster.kubectl("get", "pod", "lines").status != 0, "--rm removes the pod")
            let terminal = try await cluster.run(
                ["script", "-qec", "stty cols 100 rows 40; kubectl run screen --image=busybox --restart=Never -it --rm --quiet -- sh -c 'while [ \"$(stty size)\" != \"40 100\" ]; do sleep 0.1; done; echo it fits'", "/dev/null"])
            #expect(terminal.out.contains("it fits"), "\(terminal)")
        }
    }

    @Test("kubectl attach follows the output from now on, and leaves the container alone")
    func attach() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            _ = try await cluster.apply(KubectlTests.pod("counter", command: "trap 'exit 0' TERM; i=0; while true; do echo line $i; echo error $i >&2; i=$((i + 1)); sleep 0.1; done"))
            try await cluster.kube("wait", "--for=condition=Ready", "pod/counter", "--timeout=60s")
            let program = try cluster.start(["kubectl", "attach", "counter"])
            _ = try await eventually("lines of both streams arrive") {
                program.output.contains("\nline ") && program.errorOutput.contains("error ") ? true : nil
            }
            #expect(!program.output.contains("line 0\n"), "what was before is in the log")
            program.signal(SIGINT)
            _ = try await program.wait(timeout: 20)
            #expect(try await cluster.kube("get", "pod", "counter", "-o", "jsonpath={.status.containerStatuses[0].restartCount} {.status.phase}") == "0 Running")
            // Attached clients end with the container.
            let other = try cluster.start(["kubectl", "attach", "counter"])
            _ = try await eventually("the second is attached") { other.output.contains("line ") ? true : nil }
            try await cluster.kube("delete", "pod", "counter", "--grace-period=1")
            #expect(try await other.wait(timeout: 30).status == 0)
            let refused = try await cluster.kubectl("attach", "nope")
            #expect(refused.error.contains("pods \"nope\" not found"), "\(refused)")
        }
    }
}
