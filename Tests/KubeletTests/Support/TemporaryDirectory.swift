import Glibc
@testable import Kubelet

/// A directory that goes with its last user.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/kubelet-test-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp/kubelet-test-failed"
    }

    deinit {
        // The test has made its point; a directory that stays behind is seen in /tmp.
        try? HostFiles.remove(path)
    }
}
