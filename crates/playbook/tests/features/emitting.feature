Feature: Events of a Run
  What a run emits is recorded once.

  Scenario: An event that is emitted again in a retry is another event
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: an-event-that-is-emitted-again-in-a-retry-is-another-event, version: '1.0.0'}
    do:
      - guarded:
          try:
            - tell: {emit: {event: {with: {type: began, data: {n: "${ $task.attempt }"}}}}}
            - call: {call: http, with: {method: get, endpoint: "https://api.test/a"}}
          catch: {retry: {limit: {attempt: {count: 1}}}}
    """
    And given the server answers:
    """yaml
    [{path: /a, status: 500}, {path: /a}]
    """
    When the workflow is executed
    Then the workflow should complete
    And the events emitted should be:
    """yaml
    [began, began]
    """

  Scenario: An event without a type is not emitted
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: an-event-without-a-type, version: '1.0.0'}
    do:
      - nothing:
          try: [tell: {emit: {event: {with: {type: "${ .none }"}}}}]
          catch: {do: [{note: {set: "${ {status: $error.status, at: $error.instance} }"}}]}
      - empty:
          try: [tell: {emit: {event: {with: {type: "${ \"\" }"}}}}]
          catch: {do: [{note: {set: "${ . + {then: $error.instance} }"}}]}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 400
    at: /do/0/nothing/try/0/tell
    then: /do/1/empty/try/0/tell
    """
    And the events emitted should be:
    """yaml
    []
    """

  Scenario: A type that no door would take is an error, and neither emitted nor waited for
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-type-that-no-door-would-take, version: '1.0.0'}
    do:
      - fits: {emit: {event: {with: {type: "${ \"é\" * 128 }"}}}}
      - long:
          try: [tell: {emit: {event: {with: {type: "${ \"x\" * 129 }"}}}}]
          catch: {do: [{note: {set: "${ {status: $error.status, at: $error.instance} }"}}]}
      - control:
          try: [hear: {listen: {to: {one: {with: {type: "${ \"a\\nb\" }"}}}}}]
          catch: {do: [{note: {set: "${ . + {then: $error.instance} }"}}]}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 400
    at: /do/1/long/try/0/tell
    then: /do/2/control/try/0/hear
    """

  Scenario: A run tells nothing of its life unless it is asked to
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-silent-run, version: '1.0.0'}
    do:
      - pause: {wait: {seconds: 5}}
    """
    When the workflow is executed
    Then the events emitted should be:
    """yaml
    []
    """

  Scenario: A run tells of its life when it is asked to
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-run-tells-of-its-life-when-it-is-asked-to, version: '1.0.0', metadata: {lifecycle: true}}
    do:
      - pause: {wait: {seconds: 5}}
      - fail: {raise: {error: {type: a, status: 400}}}
    """
    When the workflow is executed
    When an operator pauses it
    When an operator resumes it
    When 5 seconds pass
    When an operator retries it
    Then the events emitted should be:
    """yaml
    - io.serverlessworkflow.workflow.started.v1
    - io.serverlessworkflow.workflow.suspended.v1
    - io.serverlessworkflow.workflow.resumed.v1
    - io.serverlessworkflow.workflow.faulted.v1
    - io.serverlessworkflow.workflow.resumed.v1
    - io.serverlessworkflow.workflow.faulted.v1
    """
