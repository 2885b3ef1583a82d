Feature: Timeouts
  Of a task, of an attempt, and of the run.

  Scenario: A task that takes too long
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-task-that-takes-too-long, version: '1.0.0'}
    do:
      - slow:
          wait: {minutes: 1}
          timeout: {after: {seconds: 5}}
    """
    When the workflow is executed
    Then the workflow should wake in 5 seconds
    When 5 seconds pass
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/dsl/errors/types/timeout
    status: 408
    instance: /do/0/slow
    """
    And the journal should be:
    """yaml
    slow faulted
    """

  Scenario: A call that takes too long is given up and caught
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-call-that-takes-too-long-is-given-up-and-caught, version: '1.0.0'}
    do:
      - guarded:
          try:
            - slow:
                call: http
                with: {method: get, endpoint: "https://api.test/slow"}
                timeout: {after: {seconds: 5}}
          catch:
            errors: {with: {type: "https://serverlessworkflow.io/spec/1.0.0/errors/timeout"}}
            do:
              - note: {set: {at: "${ $error.instance }"}}
    """
    And given the server answers:
    """yaml
    [{path: /slow, never: true}]
    """
    When the workflow is executed
    Then the workflow should be running
    When 5 seconds pass
    Then the workflow should complete with output:
    """yaml
    at: /do/0/guarded/try/0/slow
    """
    And the journal should be:
    """yaml
    slow faulted
    note completed
    guarded completed
    """

  Scenario: What is inside a task that takes too long is cancelled
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: what-is-inside-a-task-that-takes-too-long-is-cancelled, version: '1.0.0'}
    do:
      - all:
          timeout: {after: {seconds: 5}}
          do:
            - both:
                fork:
                  branches:
                    - call: {call: http, with: {method: get, endpoint: "https://api.test/slow"}}
                    - pause: {wait: {minutes: 1}}
    """
    And given the server answers:
    """yaml
    [{path: /slow, after: 60}]
    """
    When the workflow is executed
    When 60 seconds pass
    Then the workflow should fault with error:
    """yaml
    instance: /do/0/all
    """
    And the journal should be:
    """yaml
    call cancelled
    pause cancelled
    both cancelled
    all faulted
    """

  Scenario: A run that takes too long
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-run-that-takes-too-long, version: '1.0.0'}
    timeout: {after: {minutes: 1}}
    do:
      - guarded:
          try:
            - slow: {wait: {hours: 1}}
          catch: {}
    """
    When the workflow is executed
    When 1 minute passes
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/dsl/errors/types/timeout
    instance: /
    """

  Scenario: A run that says nothing about it may take 30 days
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-run-that-says-nothing-about-it-may-take-30-days, version: '1.0.0'}
    do:
      - slow: {listen: {to: {one: {with: {type: never}}}}}
    """
    When the workflow is executed
    Then the workflow should wake in 2592000 seconds
    When 30 days pass
    Then the workflow should fault

  Scenario: What waits until just before a timeout goes on in time
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: what-waits-until-just-before-a-timeout-goes-on-in-time, version: '1.0.0'}
    do:
      - all:
          timeout: {after: {seconds: 5}}
          do:
            - pause: {wait: {seconds: 5}}
    """
    When the workflow is executed
    When 5 seconds pass
    Then the workflow should complete
