@testable import Runtime
import Testing

@Suite struct ProcessResolutionTests {
    private static let image = ImageDefaults(
        entrypoint: ["/entry"], command: ["default", "words"], environment: ["PATH=/image/bin", "A=image", "EMPTY=", "EQUALS=a=b", "BARE"],
        workingDirectory: "/srv", user: "", stopSignal: "")

    private static func configuration(
        command: [String]? = nil, arguments: [String]? = nil, environment: [EnvironmentVariable] = [], directory: String = "", tty: Bool = false
    ) -> ContainerConfiguration {
        ContainerConfiguration(
            name: "web", image: "sha256:1", command: command, arguments: arguments, workingDirectory: directory, environment: environment,
            tty: tty, logPath: "web/0.log")
    }

    /// The table of kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container.
    @Test(arguments: [
        (nil, nil, ["/entry", "default", "words"]),
        (["/bin/sh"], nil, ["/bin/sh"]),
        (nil, ["one"], ["/entry", "one"]),
        (["/bin/sh"], ["-c", "true"], ["/bin/sh", "-c", "true"]),
        ([], [], ["/entry", "default", "words"]),
        (["/bin/sh"], [], ["/bin/sh"]),
        (nil, ["$(LEFT_ALONE)"], ["/entry", "$(LEFT_ALONE)"]),
    ] as [([String]?, [String]?, [String])])
    func commandAndArguments(command: [String]?, arguments: [String]?, expected: [String]) throws {
        #expect(try ProcessResolution.arguments(Self.configuration(command: command, arguments: arguments), image: Self.image) == expected)
    }

    @Test func nothingToRunIsRefused() {
        let error = #expect(throws: RuntimeError.self) { try ProcessResolution.arguments(Self.configuration(), image: ImageDefaults()) }
        #expect(error?.code == .createFailed)
        #expect(error?.message.contains("no command specified") == true)
        #expect(throws: RuntimeError.self) { try ProcessResolution.arguments(Self.configuration(command: [""]), image: ImageDefaults()) }
        #expect(throws: RuntimeError.self) { try ProcessResolution.arguments(Self.configuration(command: ["a", "b\0c"]), image: ImageDefaults()) }
    }

    @Test func environmentMergesInOrder() throws {
        let variables = [EnvironmentVariable(name: "A", value: "pod"), EnvironmentVariable(name: "B", value: "1"), EnvironmentVariable(name: "B", value: "2")]
        let environment = try ProcessResolution.environment(Self.configuration(environment: variables), image: Self.image, hostname: "pod-0", home: "/root")
        #expect(environment == ["PATH=/image/bin", "HOSTNAME=pod-0", "A=pod", "EMPTY=", "EQUALS=a=b", "BARE=", "B=2", "HOME=/root"])
    }

    @Test func environmentDefaults() throws {
        let environment = try ProcessResolution.environment(Self.configuration(tty: true), image: ImageDefaults(), hostname: "h", home: "/")
        #expect(environment == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=h", "TERM=xterm", "HOME=/"])
        let own = [EnvironmentVariable(name: "HOME", value: "/home/me"), EnvironmentVariable(name: "HOSTNAME", value: "mine"), EnvironmentVariable(name: "TERM", value: "dumb")]
        let given = try ProcessResolution.environment(Self.configuration(environment: own, tty: true), image: ImageDefaults(), hostname: "h", home: "/")
        #expect(given.suffix(3) == ["HOSTNAME=mine", "TERM=dumb", "HOME=/home/me"])
    }

    @Test(arguments: ["", "A=B", "A\0B"])
    func badNamesAreRefused(name: String) {
        let configuration = Self.configuration(environment: [EnvironmentVariable(name: name, value: "x")])
        let error = #expect(throws: RuntimeError.self) { try ProcessResolution.environment(configuration, image: ImageDefaults(), hostname: "", home: "") }
        #expect(error?.code == .invalidConfiguration)
    }

    @Test(arguments: [("", "", "/"), ("", "/srv", "/srv"), ("/own", "/srv", "/own"), ("relative", "", "/relative")])
    func workingDirectory(given: String, image: String, expected: String) {
        #expect(ProcessResolution.workingDirectory(Self.configuration(directory: given), image: ImageDefaults(workingDirectory: image)) == expected)
    }

    @Test(arguments: [
        ("SIGTERM", 15), ("TERM", 15), ("sigquit", 3), ("9", 9), ("SIGRTMIN", 34), ("SIGRTMIN+3", 37), ("RTMAX", 64), ("RTMAX-1", 63), ("WINCH", 28),
        ("SIGIOT", 6), ("", nil), ("SIG", nil), ("0", nil), ("65", nil), ("RTMIN-1", nil), ("RTMIN+31", nil), ("HELLO", nil),
    ] as [(String, Int32?)])
    func signals(text: String, expected: Int32?) { #expect(SignalName.number(text) == expected) }
}
